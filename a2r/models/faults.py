"""What went wrong with a call, typed: whether it may pass, and how to say it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time

import aiohttp
import openai

from a2r.errors import EngineError, ModelFileError
from a2r.result import Fault

TRANSIENT_STATUS = frozenset({408, 409, 425, 429})
LONGEST_DETAIL = 300
# What the client and LangChain raise on a reply that is not a chat completion.
MALFORMED = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
# aiohttp's words for a connection that was there and broke; the transport calls them timeouts.
BROKEN = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)


class BrokenStreamError(Exception):
    """A stream that ended without a finish reason."""


@dataclass(frozen=True, kw_only=True)
class CallFault:
    """A fault of one request.

    `reached` says whether the server got the request, `generated` whether it may have written
    tokens for it, `retry_after` is in seconds.
    """

    fault: Fault
    message: str
    transient: bool
    reached: bool = True
    generated: bool = False
    retry_after: float | None = None


BROKEN_CONNECTION = CallFault(
    fault="broken_stream",
    message="the connection broke before the reply was complete",
    transient=True,
    generated=True,
)


def fault_of(error: Exception) -> CallFault:
    """The fault that an exception of a call stands for."""
    if isinstance(error, (EngineError, ModelFileError)):
        return CallFault(fault="engine", message=str(error), transient=False, reached=False)
    if isinstance(error, openai.APIStatusError):
        return _fault_of_status(error)
    chain = list(_chain(error))
    if any(isinstance(link, aiohttp.ClientConnectorError) for link in chain):
        return CallFault(
            fault="unreachable", message="cannot connect", transient=True, reached=False
        )
    if any(isinstance(link, BROKEN) for link in chain):
        return BROKEN_CONNECTION
    if isinstance(error, openai.APITimeoutError):
        return CallFault(fault="timeout", message="timed out", transient=True, generated=True)
    if isinstance(error, (openai.APIConnectionError, BrokenStreamError, ConnectionError)) or any(
        type(link).__module__.split(".")[0] in ("httpx2", "httpx", "aiohttp") for link in chain
    ):
        return BROKEN_CONNECTION
    if isinstance(error, openai.APIError):
        overflow = _speaks_of_context(str(error))
        return CallFault(
            fault="context_overflow" if overflow else "server_error",
            message=_shorten(str(error)),
            transient=not overflow,
            generated=True,
        )
    if isinstance(error, MALFORMED):
        return CallFault(
            fault="malformed_reply",
            message=f"the reply is not a chat completion ({type(error).__name__})",
            transient=True,
            generated=True,
        )
    return CallFault(
        fault="internal",
        message=_shorten(f"{type(error).__name__}: {error}"),
        transient=False,
        generated=True,
    )


def valid_unicode(text: str) -> str:
    """The text with lone surrogates, which JSON can carry and UTF-8 cannot, replaced."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _fault_of_status(error: openai.APIStatusError) -> CallFault:
    status = error.status_code
    message = _shorten(f"HTTP {status}: {_detail(error)}")
    if status == 429:
        fault: Fault = "rate_limited"
    elif status >= 500:
        fault = "server_error"
    elif status in (400, 413) and _speaks_of_context(message):
        fault = "context_overflow"
    else:
        fault = "rejected"
    return CallFault(
        fault=fault,
        message=message,
        transient=status in TRANSIENT_STATUS or status >= 500,
        # A refusal cost nothing; a server that broke may have generated before it did.
        generated=status >= 500,
        retry_after=_retry_after(error.response.headers.get("retry-after")),
    )


def _detail(error: openai.APIStatusError) -> str:
    body = error.body
    if isinstance(body, dict):
        inner = body.get("error", body)
        body = inner.get("message", inner) if isinstance(inner, dict) else inner
    return str(body or error.response.reason_phrase or "no detail")


def _speaks_of_context(message: str) -> bool:
    lowered = message.lower()
    return "context" in lowered and any(w in lowered for w in ("length", "size", "exceed"))


def _retry_after(value: str | None) -> float | None:
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except ValueError:
        return None


def _shorten(text: str) -> str:
    line = " ".join(valid_unicode(text).split())
    return line if len(line) <= LONGEST_DETAIL else f"{line[: LONGEST_DETAIL - 1]}…"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
