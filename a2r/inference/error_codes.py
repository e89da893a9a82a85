"""Error bodies of servers and gateways: their message, their status, and whether money is missing.

A server that answers 200 sends its errors as JSON, with a number or a word for a code:
`{"error": {"message": …, "code": "invalid_api_key"}}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

CODE_FIELDS = (
    *("code", "status_code", "statusCode", "http_status", "http_status_code", "status"),
    *("type", "error"),
)
MESSAGE_FIELDS = ("message", "detail", "msg", "error_msg", "title")
# Words of the codes of OpenAI, Anthropic, Google, vLLM and others, without case and separators;
# the first pattern that matches a code counts.
UNPAID_CODE = re.compile(
    r"insufficient(?:quota|balance|credit|fund)|billing|paymentrequired|arrear|overdue"
    r"|currentquota|balancetoolow|outofcredit|nocredit"
)
CONTEXT_CODE = re.compile(r"context(?:length|window|size)")
STATUS_BY_WORD = (
    (UNPAID_CODE, 402),
    (re.compile(r"ratelimit|toomanyrequests|resourceexhausted|throttl|quota"), 429),
    (re.compile(r"overload|unavailable|notready|capacity"), 503),
    (re.compile(r"timeout|timedout|deadlineexceeded"), 504),
    (re.compile(r"upstream|gateway|provider"), 502),
    (re.compile(r"apikey|authenticat|autherror|unauthori[sz]ed|(?:expired|invalid)token"), 401),
    (re.compile(r"permission|forbidden|accessdenied|notallowed|deactivated"), 403),
    (re.compile(r"notfound|nosuchmodel|unknownmodel"), 404),
    (CONTEXT_CODE, 400),
    (re.compile(r"toolarge"), 413),
    (re.compile(r"unprocessable|validation"), 422),
    (re.compile(r"invalid|badrequest|unsupported|unknown(?:parameter|field)|missing"), 400),
    (re.compile(r"server|internal|apierror|engine|cuda|outofmemory"), 500),
)
# Frameworks and proxies write `{"detail": "Unauthorized"}` and `{"message": "Forbidden"}`.
STATUS_BY_PHRASE = {it.phrase.lower(): it.value for it in HTTPStatus if it >= 400}
UNPAID = re.compile(
    r"insufficient[ _](?:quota|balance|credits?|funds)|out of credits?|no credits? (?:left|remain)"
    r"|credit balance is too low|billing (?:hard )?limit|billing (?:is )?not active"
    r"|please (?:recharge|top up)|account is (?:in arrears|overdue)|payment required"
    r"|exceeded your current quota, please check your plan and billing",
    re.IGNORECASE,
)
# Google uses OpenAI's words for limits per minute, and says when to retry.
LIFTED_BY_TIME = re.compile(r"(?:retry|try again) in\b|per[ _-]?(?:minute|hour|day)", re.IGNORECASE)


def error_detail(body: object) -> str:
    """The message in the body of an error, else the body as text."""
    for part in _parts(body):
        if isinstance(part, str) and part:
            return part
        if isinstance(part, Mapping):
            for name in MESSAGE_FIELDS:
                if part.get(name):
                    return str(part[name])
    inner = next(_parts(body))
    return str(inner) if inner else ""


def error_status(body: object) -> int | None:
    """The HTTP status that the code of an error means; `None` if unknown.

    It is a number or a word. Without a code, the message may be the phrase of a status.
    """
    codes = list(_codes(body))
    for code in codes:
        if 400 <= (number := _number(code)) < 600:
            return number
    for code in codes:
        for pattern, status in STATUS_BY_WORD:
            if pattern.search(_word(code)):
                return status
    return STATUS_BY_PHRASE.get(error_detail(body).strip().lower())


def is_error(body: object) -> bool:
    """Whether a response without choices is an error in any form."""
    return isinstance(body, Mapping) and bool(
        body.get("error") or body.get("errors") or error_status(body) is not None
    )


def has_context_code(body: object) -> bool:
    """Whether the code of an error says that the context is exceeded."""
    return any(CONTEXT_CODE.search(_word(code)) for code in _codes(body))


def is_unpaid(body: object, message: str, *, retry_after: float | None = None) -> bool:
    """Whether the account has no money or quota left, so that waiting does not help."""
    if any(UNPAID_CODE.search(_word(code)) for code in _codes(body)):
        return True
    is_lifted = retry_after is not None or LIFTED_BY_TIME.search(message) is not None
    return not is_lifted and UNPAID.search(message) is not None


def _parts(body: object) -> Iterator[object]:
    """The error in a body, then the body around it."""
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    if isinstance(body, Mapping):
        errors = body.get("errors")
        if isinstance(errors, list) and errors and not body.get("error"):
            yield errors[0]
        if body.get("error"):
            yield body["error"]
    yield body


def _codes(body: object) -> Iterator[Any]:
    """The values of the fields for codes, the error's own first."""
    for part in _parts(body):
        if isinstance(part, str) and " " not in part:
            yield part
        elif isinstance(part, Mapping):
            for name in CODE_FIELDS:
                if isinstance(part.get(name), str | int) and " " not in str(part[name]):
                    yield part[name]


def _word(code: object) -> str:
    """The letters of a code: `rateLimitExceeded` and `rate_limit_exceeded` are one."""
    return re.sub(r"[^a-z]", "", str(code).lower())


def _number(code: object) -> int:
    """The code as a number; -1 for a word."""
    if isinstance(code, bool):
        return -1
    text = str(code)
    return int(text) if text.isascii() and text.isdigit() and len(text) == 3 else -1
