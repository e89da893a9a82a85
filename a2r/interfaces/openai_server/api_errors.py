"""Errors in the shape of OpenAI's API, and which of ours becomes which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from a2r._internal.text import one_line
from a2r.errors import (
    A2RError,
    BudgetError,
    ConfigError,
    EndpointsUnreachableError,
    EngineError,
    ModelFileError,
    NoAnswerError,
    OptionError,
    QuestionError,
)
from a2r.result import Result

INVALID = "invalid_request_error"
HINT = "Bearer YOUR_KEY in the Authorization header"


class ApiError(Exception):
    """An error reply: its status, and the fields of its body.

    `detail` says more than that, for the operator.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = INVALID,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.type = type
        self.param = param
        self.code = code
        self.headers = dict(headers or {})
        self.detail = detail

    def body(self) -> dict[str, Any]:
        """The body, as every client of OpenAI's API reads it."""
        fields = {"message": str(self), "type": self.type, "param": self.param, "code": self.code}
        return {"error": fields}


def no_key() -> ApiError:
    """No API key came with the request."""
    message = f"You didn't provide an API key. You need to provide it as {HINT}."
    return ApiError(401, message, headers={"WWW-Authenticate": "Bearer"})


def wrong_key(key: str) -> ApiError:
    """An API key that nobody has."""
    shown = f"{key[:4]}…{key[-4:]}" if len(key) > 16 else "…"
    return ApiError(
        401,
        f"Incorrect API key provided: {one_line(shown, 16)}.",
        code="invalid_api_key",
        headers={"WWW-Authenticate": "Bearer"},
    )


def unknown_model(model: str) -> ApiError:
    """A model that is not served."""
    return ApiError(
        404,
        f"The model `{model[:200]}` does not exist or you do not have access to it.",
        param="model",
        code="model_not_found",
    )


def unreadable() -> ApiError:
    """A body that is no JSON."""
    return ApiError(
        400,
        "We could not parse the JSON body of your request. "
        "(HINT: This likely means you aren't using your HTTP library correctly.)",
    )


def body_too_large(most: int) -> ApiError:
    """A body that is bigger than the server takes."""
    return ApiError(413, f"Request body is too large: at most {most} bytes.")


def body_timeout(seconds: float) -> ApiError:
    """A body that does not arrive."""
    return ApiError(
        408,
        f"The request body did not arrive within {seconds:g} seconds.",
        headers={"Connection": "close"},
    )


def queue_full(retry_after: int) -> ApiError:
    """No place is free, and the queue is full."""
    return ApiError(
        429,
        f"Too many requests are waiting. Please try again in {retry_after}s.",
        type="requests",
        code="rate_limit_exceeded",
        headers={"Retry-After": str(retry_after)},
    )


def shutting_down() -> ApiError:
    """The server ends, and did not get done with the request in time."""
    return ApiError(
        503,
        "The server is shutting down. Please try again.",
        type="server_error",
        code="shutting_down",
        headers={"Retry-After": "1"},
    )


def unsupported(param: str, why: str = "is not supported with this model") -> ApiError:
    """A field of OpenAI's API that A2R cannot fulfil."""
    return ApiError(
        400,
        f"Unsupported parameter: '{param}' {why}.",
        param=param,
        code="unsupported_parameter",
    )


def invalid_value(param: str | None, message: str) -> ApiError:
    """A value that does not fit."""
    return ApiError(400, message, param=param, code="invalid_value")


def internal() -> ApiError:
    """A fault of ours; what it was is in the logs, under the request's id."""
    message = "The server had an error while processing your request."
    return _final(500, message, "server_error", "internal_error")


def from_request_error(error: A2RError) -> ApiError:
    """The reply for an error of a request that may not fit: what it changes of a config is told."""
    return (
        invalid_value(None, str(error)) if isinstance(error, ConfigError) else from_run_error(error)
    )


def from_run_error(error: A2RError) -> ApiError:
    """The reply for an error of a run whose request was in order.

    It says what happened, in our words alone: which endpoints there are and what they say, or
    what is wrong with a config, is for the operator to read in the logs.
    """
    found = _from_run_error(error)
    found.detail = str(error)
    return found


def _from_run_error(error: A2RError) -> ApiError:
    match error:
        case OptionError():
            return invalid_value(error.option, str(error))
        case QuestionError():
            return invalid_value("messages", str(error))
        case EndpointsUnreachableError() | EngineError() | ModelFileError():
            return _unreachable()
        case NoAnswerError():
            return _from_no_answer(error.result)
        case BudgetError():
            return _final(429, str(error), "insufficient_quota", "insufficient_quota")
        case ConfigError():
            message = "The server is not configured to run this model."
            return _final(500, message, "server_error", "misconfigured")
        case _:
            return internal()


def _from_no_answer(result: Result) -> ApiError:
    message = f"None of {len(result.samples)} samples finished: {_ends(result)}."
    match {sample.error_type or sample.status for sample in result.samples}:
        case faults if faults == {"context_overflow"}:
            message = "The messages are longer than the context of this model."
            return ApiError(400, message, param="messages", code="context_length_exceeded")
        case faults if faults == {"budget"}:
            return _final(429, message, "insufficient_quota", "insufficient_quota")
        case faults if faults <= {"deadline", "timeout"} and not result.usage.total.calls:
            # Endpoints that failed before are left alone: nothing was asked, and nothing spent.
            return _unreachable()
        case faults if faults <= {"deadline", "timeout"}:
            return _final(504, message, "server_error", "deadline_exceeded")
    return _final(502, message, "server_error", "no_answer")


def _unreachable() -> ApiError:
    message = "No endpoint of this model can be reached. Please try again."
    return ApiError(503, message, type="server_error", code="endpoints_unreachable")


def _ends(result: Result) -> str:
    """How many samples came to which end."""
    counts = Counter(sample.error_type or sample.status for sample in result.samples)
    return ", ".join(f"{count} {end}" for end, count in counts.most_common())


def _final(status: int, message: str, type: str, code: str) -> ApiError:
    """An error that another try would only pay for again: OpenAI's clients retry by themselves."""
    return ApiError(status, message, type=type, code=code, headers={"X-Should-Retry": "false"})
