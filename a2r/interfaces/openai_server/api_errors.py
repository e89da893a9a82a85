"""Error responses in the format of OpenAI's API, and their mapping from A2R's exceptions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from a2r._internal.suggestions import suggestion
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
    """An error response: its status, and the fields of its body.

    `detail` is for the operator's log only.
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
        """The response body, in the format of OpenAI's API."""
        fields = {"message": str(self), "type": self.type, "param": self.param, "code": self.code}
        return {"error": fields}


def missing_api_key() -> ApiError:
    """The request has no API key."""
    message = f"You didn't provide an API key. You need to provide it as {HINT}."
    return ApiError(401, message, headers={"WWW-Authenticate": "Bearer"})


def invalid_api_key(key: str) -> ApiError:
    """The API key is unknown; the message shows its first and last characters, as OpenAI does."""
    shown = f"{key[:4]}…{key[-4:]}" if len(key) > 16 else "…"
    return ApiError(
        401,
        f"Incorrect API key provided: {one_line(shown, 16)}.",
        code="invalid_api_key",
        headers={"WWW-Authenticate": "Bearer"},
    )


def model_not_found(model: str, served: Iterable[str]) -> ApiError:
    """The model is not served; the message names the most similar one of the served models."""
    return ApiError(
        404,
        f"The model `{model[:200]}` does not exist or you do not have access to it"
        f"{suggestion(model, served) or '.'}",
        param="model",
        code="model_not_found",
    )


def invalid_json() -> ApiError:
    """The body is not JSON."""
    return ApiError(
        400,
        "We could not parse the JSON body of your request. "
        "(HINT: This likely means you aren't using your HTTP library correctly.)",
    )


def body_too_large(max_bytes: int) -> ApiError:
    """The body exceeds the server's limit."""
    return ApiError(413, f"Request body is too large: at most {max_bytes} bytes.")


def body_timeout(seconds: float) -> ApiError:
    """The body did not arrive in time."""
    return ApiError(
        408,
        f"The request body did not arrive within {seconds:g} seconds.",
        headers={"Connection": "close"},
    )


def queue_full(retry_after: int) -> ApiError:
    """All slots are in use, and the queue is full."""
    return ApiError(
        429,
        f"Too many requests are waiting. Please try again in {retry_after}s.",
        type="requests",
        code="rate_limit_exceeded",
        headers={"Retry-After": str(retry_after)},
    )


def shutting_down() -> ApiError:
    """The server shuts down, and the request did not finish within the grace period."""
    return ApiError(
        503,
        "The server is shutting down. Please try again.",
        type="server_error",
        code="shutting_down",
        headers={"Retry-After": "1"},
    )


def unsupported_parameter(param: str, reason: str = "is not supported with this model") -> ApiError:
    """A field of OpenAI's API that A2R does not support, or the operator does not allow."""
    return ApiError(
        400,
        f"Unsupported parameter: '{param}' {reason}.",
        param=param,
        code="unsupported_parameter",
    )


def invalid_value(param: str | None, message: str) -> ApiError:
    """A value that is invalid."""
    return ApiError(400, message, param=param, code="invalid_value")


def internal_error() -> ApiError:
    """An unexpected exception, which the server has logged under the request ID."""
    message = "The server had an error while processing your request."
    return _not_retryable(500, message, "server_error", "internal_error")


def from_request_error(error: A2RError) -> ApiError:
    """The response to an error before the run, which the request's own values may have caused."""
    return (
        invalid_value(None, str(error)) if isinstance(error, ConfigError) else from_run_error(error)
    )


def from_run_error(error: A2RError, passed_fields: Sequence[str] = ()) -> ApiError:
    """The response to an error of a run.

    The message names no endpoints, repeats none of their errors, and has no details of the config:
    these are in `detail`, for the operator's log.

    Args:
        error: the error of the run.
        passed_fields: the fields of the request that the endpoints got, and may have rejected.
    """
    rejected = isinstance(error, NoAnswerError) and _all_rejected(error.result)
    api_error = (
        _rejected_fields(passed_fields) if rejected and passed_fields else _from_run_error(error)
    )
    api_error.detail = str(error)
    return api_error


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
            return _not_retryable(429, str(error), "insufficient_quota", "insufficient_quota")
        case ConfigError():
            message = "The server's configuration for this model is invalid."
            return _not_retryable(500, message, "server_error", "misconfigured")
        case _:
            return internal_error()


def _from_no_answer(result: Result) -> ApiError:
    outcomes = Counter(sample.error_type or sample.status for sample in result.samples)
    summary = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
    message = f"None of {len(result.samples)} samples finished: {summary}."
    match set(outcomes):
        case errors if errors == {"context_overflow"}:
            message = "The messages exceed the context length of this model."
            return ApiError(400, message, param="messages", code="context_length_exceeded")
        case errors if errors == {"budget"}:
            return _not_retryable(429, message, "insufficient_quota", "insufficient_quota")
        case errors if errors <= {"deadline", "timeout"} and not result.usage.total.calls:
            # No request was sent, as the endpoints had failed before: a retry costs nothing.
            return _unreachable()
        case errors if errors <= {"deadline", "timeout"}:
            return _not_retryable(504, message, "server_error", "deadline_exceeded")
    return _not_retryable(502, message, "server_error", "no_answer")


def _all_rejected(result: Result) -> bool:
    return {sample.error_type for sample in result.samples} == {"rejected"}


def _rejected_fields(names: Sequence[str]) -> ApiError:
    listed = ", ".join(f"'{name}'" for name in names)
    return ApiError(
        400,
        f"The model's endpoint rejected the request, probably for a field that was passed on: "
        f"{listed}.",
        param=names[0] if len(names) == 1 else None,
        code="invalid_value",
    )


def _unreachable() -> ApiError:
    message = "No endpoint of this model can be reached. Please try again."
    return ApiError(503, message, type="server_error", code="endpoints_unreachable")


def _not_retryable(status: int, message: str, type: str, code: str) -> ApiError:
    """An error after which OpenAI's clients must not retry: it would cost the same tokens again."""
    return ApiError(status, message, type=type, code=code, headers={"X-Should-Retry": "false"})
