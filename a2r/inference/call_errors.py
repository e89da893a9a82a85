"""What went wrong with a call, typed: whether it may pass, and how to say it."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time

import aiohttp

from a2r._internal.text import one_line
from a2r.errors import EngineError, ModelFileError
from a2r.inference.context_overflow import ContextLimit, context_limit
from a2r.inference.transport.completion_request import BrokenStreamError, IdleTimeoutError
from a2r.inference.transport.http_sessions import StatusError
from a2r.inference.transport.stream_accumulator import (
    ErrorInStreamError,
    MalformedReplyError,
    StreamAccumulator,
)
from a2r.result import ErrorType

TRANSIENT_STATUS = frozenset({408, 409, 425, 429})
MAX_DETAIL_CHARACTERS = 300
LATE_ERRORS = ("broken_stream", "timeout", "malformed_reply")


@dataclass(frozen=True, kw_only=True)
class CallError:
    """A fault of one request.

    `reached` says whether the server got the request, `generated` whether it may have written
    tokens for it, `overloaded` whether it has too much to do; `retry_after` is in seconds, `room`
    the tokens that its context has for a reply, where it refused a longer one.
    """

    error_type: ErrorType
    message: str
    transient: bool
    reached: bool = True
    generated: bool = False
    overloaded: bool = False
    status: int | None = None
    retry_after: float | None = None
    room: int | None = None


BROKEN_CONNECTION = CallError(
    error_type="broken_stream",
    message="the connection broke before the reply was complete",
    transient=True,
    generated=True,
)


def to_call_error(error: Exception) -> CallError:
    """The fault that an exception of a call stands for."""
    match error:
        case EngineError() | ModelFileError():
            return CallError(
                error_type="engine", message=str(error), transient=False, reached=False
            )
        case StatusError():
            return _status_error(error)
        case ErrorInStreamError():
            return _stream_error(error.body)
        case IdleTimeoutError():
            return timeout_error("the stream fell silent")
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return CallError(
                error_type="unreachable", message=f"no URL: {error}", transient=False, reached=False
            )
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            return unreachable_error(error)
        case BrokenStreamError() | aiohttp.ClientError() | ConnectionError():
            return BROKEN_CONNECTION
        case TimeoutError():
            return timeout_error("timed out")
        case MalformedReplyError():
            return CallError(
                error_type="malformed_reply",
                message=one_line(
                    f"the reply is not a chat completion ({error})", MAX_DETAIL_CHARACTERS
                ),
                transient=True,
                generated=True,
            )
    return CallError(
        error_type="internal",
        message=one_line(f"{type(error).__name__}: {error}", MAX_DETAIL_CHARACTERS),
        transient=False,
        generated=True,
    )


def is_complete_despite(fault: CallError, transcript: StreamAccumulator) -> bool:
    """Whether a reply is one in spite of a fault: all but the stream's formal end was there."""
    return transcript.finish_reason is not None and fault.error_type in LATE_ERRORS


def timeout_error(message: str) -> CallError:
    """The fault of a call that took too long."""
    return CallError(error_type="timeout", message=message, transient=True, generated=True)


def unreachable_error(error: Exception | None = None) -> CallError:
    """The fault of an endpoint that nobody answers at."""
    reason = connection_error_reason(error)
    return CallError(
        error_type="unreachable",
        message=one_line(
            f"cannot connect ({reason})" if reason else "cannot connect", MAX_DETAIL_CHARACTERS
        ),
        transient=True,
        reached=False,
    )


def connection_error_reason(error: Exception | None) -> str | None:
    """Why a connection could not be made; `None` where it could."""
    match error:
        case aiohttp.ConnectionTimeoutError():
            return "no connection in time"
        case aiohttp.ClientConnectorDNSError():
            return "its host name is not known"
        case aiohttp.ClientSSLError():
            return "its certificate is not trusted, or it speaks no TLS"
        case aiohttp.ClientConnectorError():
            # The message names the address and Python's own words for a failed connect.
            number = error.os_error.errno
            return os.strerror(number).lower() if number and number > 0 else str(error.os_error)
    return None


def _status_error(error: StatusError) -> CallError:
    status = error.status
    detail = _detail(error.body) or error.reason or "no detail"
    if 300 <= status < 400:
        detail = f"redirects to {error.headers.get('location')}, which the config could name"
    limit = context_limit(error.body, detail) if status in (400, 413, 422) else None
    if status == 429:
        fault: ErrorType = "rate_limited"
    elif status >= 500:
        fault = "server_error"
    else:
        fault = "context_overflow" if limit else "rejected"
    return CallError(
        error_type=fault,
        message=one_line(f"HTTP {status}: {_with_excess(detail, limit)}", MAX_DETAIL_CHARACTERS),
        transient=status in TRANSIENT_STATUS or status >= 500,
        # A refusal cost nothing; a server that broke may have generated before it did.
        generated=status >= 500 and status != 503,
        overloaded=status in (429, 503),
        status=status,
        retry_after=retry_after(error.headers),
        room=limit.room if limit and fault == "context_overflow" else None,
    )


def _stream_error(body: object) -> CallError:
    detail = _detail(body) or "the server sent an error"
    code = _code(body)
    limit = context_limit(body, detail)
    refused = code is not None and 400 <= code < 500 and code not in TRANSIENT_STATUS
    if limit:
        fault: ErrorType = "context_overflow"
    elif code == 429:
        fault = "rate_limited"
    else:
        fault = "rejected" if refused else "server_error"
    return CallError(
        error_type=fault,
        message=one_line(_with_excess(detail, limit), MAX_DETAIL_CHARACTERS),
        transient=not (limit or refused),
        generated=True,
        overloaded=code in (429, 503),
        status=code,
    )


def _with_excess(detail: str, limit: ContextLimit | None) -> str:
    excess = limit.excess if limit else None
    return detail if excess is None else f"too long by {excess} tokens: {detail}"


def _detail(body: object) -> str:
    if isinstance(body, dict):
        inner = body.get("error", body)
        inner = (
            inner.get("message") or inner.get("detail") or inner
            if isinstance(inner, dict)
            else inner
        )
        body = inner
    return str(body) if body else ""


def _code(body: object) -> int | None:
    inner = body.get("error", body) if isinstance(body, dict) else None
    code = inner.get("code") if isinstance(inner, dict) else None
    return code if isinstance(code, int) and 100 <= code < 600 else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that a `Retry-After` tells, as a number or as a date; `None` without one."""
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time()
        except (ValueError, OverflowError):
            return None
    if math.isinf(seconds):
        return None
    # Neither NaN nor a date that has passed is a time to wait.
    return seconds if seconds > 0 else 0.0
