"""Typed errors of requests: exceptions and HTTP errors mapped to `CallError`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace

import aiohttp

from a2r._internal.secret_redaction import redact, redact_text
from a2r._internal.text import one_line
from a2r.errors import EngineError, ModelFileError
from a2r.inference.context_limit_parser import ContextLimit, context_limit, with_excess
from a2r.inference.error_codes import error_detail, error_status, has_context_code, is_unpaid
from a2r.inference.finish_reasons import is_stated
from a2r.inference.retry_after_pause import parse_retry_after
from a2r.inference.transport.completion_request import BrokenStreamError, IdleTimeoutError
from a2r.inference.transport.http_sessions import StatusError
from a2r.inference.transport.stream_accumulator import (
    ErrorInStreamError,
    MalformedReplyError,
    StreamAccumulator,
)
from a2r.result import ErrorType

TRANSIENT_STATUS = frozenset({408, 409, 425, 429})
OVERLOADED_STATUS = (429, 503)
BROKEN_STREAM = "connection closed without a finish reason and without [DONE]"
NO_QUOTA = "the account has no quota left (check its plan and billing)"
MAX_DETAIL_CHARACTERS = 300
Redaction = Callable[[str], str]
LATE_ERRORS = ("broken_stream", "timeout", "malformed_reply")
LATE_SERVER_ERRORS = ("server_error", "rate_limited")


@dataclass(frozen=True, kw_only=True)
class CallError:
    """An error of one request.

    `transient` means that a retry may succeed, `reached` that the server received the request,
    `generated` that it may have generated tokens, and `overloaded` that it rejected the request
    because of its load. `retry_after` is in seconds. `max_reply_tokens` is the number of tokens
    that the context has left for a reply, if the server rejected a longer one.
    """

    error_type: ErrorType
    message: str
    transient: bool
    reached: bool = True
    generated: bool = False
    overloaded: bool = False
    status: int | None = None
    retry_after: float | None = None
    max_reply_tokens: int | None = None


BROKEN_CONNECTION = CallError(
    error_type="broken_stream",
    message="connection closed before the response completed",
    transient=True,
    generated=True,
)


def to_call_error(error: Exception, redacted: Redaction = redact_text) -> CallError:
    """Map an exception of a request to a `CallError`.

    `redacted` hides the secrets in what a server wrote, before its text is cut off.
    """
    match error:
        case EngineError() | ModelFileError():
            return CallError(
                error_type="engine", message=str(error), transient=False, reached=False
            )
        case StatusError():
            return _status_error(error, redacted)
        case ErrorInStreamError():
            return _stream_error(error.body, redacted)
        case IdleTimeoutError():
            return timeout_error("stream idle timeout")
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return CallError(
                error_type="unreachable",
                message=f"invalid URL: {error}",
                transient=False,
                reached=False,
            )
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            return unreachable_error(error)
        case BrokenStreamError():
            return replace(BROKEN_CONNECTION, message=BROKEN_STREAM)
        case aiohttp.ClientError() | ConnectionError():
            return BROKEN_CONNECTION
        case TimeoutError():
            return timeout_error("timed out")
        case MalformedReplyError():
            return _malformed_reply_error(error, redacted)
    return CallError(
        error_type="internal",
        message=one_line(redacted(f"{type(error).__name__}: {error}"), MAX_DETAIL_CHARACTERS),
        transient=False,
        generated=True,
    )


def is_complete_despite(error: CallError, accumulator: StreamAccumulator) -> bool:
    """Whether a reply is complete despite an error after its finish reason."""
    if error.error_type in LATE_SERVER_ERRORS and not is_stated(accumulator.finish_reason):
        # An error in place of the rest: only [DONE] follows it.
        return False
    return accumulator.is_complete and error.error_type in LATE_ERRORS + LATE_SERVER_ERRORS


def timeout_error(message: str) -> CallError:
    """Return the error of a request that took too long."""
    return CallError(error_type="timeout", message=message, transient=True, generated=True)


def unreachable_error(error: Exception | None = None) -> CallError:
    """Return the error of an endpoint that accepts no connections."""
    reason = connection_error_reason(error) or "connection refused"
    return CallError(
        error_type="unreachable",
        message=one_line(reason, MAX_DETAIL_CHARACTERS),
        transient=True,
        reached=False,
    )


def connection_error_reason(error: Exception | None) -> str | None:
    """Return why a connection failed; `None` for any other error."""
    match error:
        case aiohttp.ConnectionTimeoutError():
            return "connect timeout"
        case aiohttp.ClientConnectorDNSError():
            return "unknown host name"
        case aiohttp.ClientSSLError():
            return "certificate not trusted, or no TLS"
        case aiohttp.ClientConnectorError():
            # aiohttp's message repeats the address, which the caller names anyway.
            number = error.os_error.errno
            return os.strerror(number).lower() if number and number > 0 else str(error.os_error)
    return None


def _malformed_reply_error(error: MalformedReplyError, redacted: Redaction) -> CallError:
    said = "" if error.body is None else f": {json.dumps(redact(error.body))}"
    return CallError(
        error_type="malformed_reply",
        message=one_line(
            redacted(f"response is not a chat completion ({error}{said})"), MAX_DETAIL_CHARACTERS
        ),
        transient=True,
        generated=True,
    )


def _status_error(error: StatusError, redacted: Redaction) -> CallError:
    status = error.status
    detail = error_detail(error.body) or error.reason or "no detail"
    retry_after = parse_retry_after(error.headers)
    if 300 <= status < 400:
        detail = f"redirect to {error.headers.get('location')}; set that URL in the config"
    if status == 402 or is_unpaid(error.body, detail, retry_after=retry_after):
        return _unpaid_error(f"HTTP {status}: {redacted(detail)}", status)
    limit = _context_limit(error.body, detail) if status in (400, 413, 422) else None
    if status == 429:
        error_type: ErrorType = "rate_limited"
    elif status >= 500:
        error_type = "server_error"
    else:
        error_type = "context_overflow" if limit else "rejected"
    return CallError(
        error_type=error_type,
        message=one_line(
            f"HTTP {status}: {_with_excess(redacted(detail), limit)}", MAX_DETAIL_CHARACTERS
        ),
        transient=status in TRANSIENT_STATUS or status >= 500,
        # A rejected request generated nothing; a server that failed may have generated tokens.
        generated=status >= 500 and status != 503,
        overloaded=status in OVERLOADED_STATUS,
        status=status,
        retry_after=retry_after,
        max_reply_tokens=limit.max_reply_tokens if limit else None,
    )


def _stream_error(body: object, redacted: Redaction) -> CallError:
    """Map an error in a response of status 200; its code stands for the status."""
    detail = error_detail(body) or "the server reported an error without a message"
    status = error_status(body)
    if status == 402 or is_unpaid(body, detail):
        return _unpaid_error(redacted(detail), status)
    limit = None if status in OVERLOADED_STATUS else _context_limit(body, detail)
    rejected = status is not None and 400 <= status < 500 and status not in TRANSIENT_STATUS
    if limit:
        error_type: ErrorType = "context_overflow"
    elif status == 429:
        error_type = "rate_limited"
    else:
        error_type = "rejected" if rejected else "server_error"
    overloaded = limit is None and status in OVERLOADED_STATUS
    return CallError(
        error_type=error_type,
        message=one_line(_with_excess(redacted(detail), limit), MAX_DETAIL_CHARACTERS),
        transient=not (limit or rejected),
        generated=not (limit or rejected or overloaded),
        overloaded=overloaded,
        status=status,
        max_reply_tokens=limit.max_reply_tokens if limit else None,
    )


def _unpaid_error(detail: str, status: int | None) -> CallError:
    return CallError(
        error_type="rejected",
        message=one_line(f"{NO_QUOTA}: {detail}", MAX_DETAIL_CHARACTERS),
        transient=False,
        status=status,
    )


def _context_limit(body: object, detail: str) -> ContextLimit | None:
    limit = context_limit(body, detail)
    if limit is None and has_context_code(body):
        return ContextLimit(limit=None, requested=None)
    return limit


def _with_excess(detail: str, limit: ContextLimit | None) -> str:
    excess = limit.excess if limit else None
    return detail if excess is None else with_excess(excess, detail)
