"""The response schemas, in the format of OpenAI's API."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import ConfigDict
from starlette.responses import JSONResponse

from a2r._internal.models import FrozenModel
from a2r.interfaces.chat import FinishReason
from a2r.result import Cluster, ErrorType, Method, Result, Savings
from a2r.usage import Usage, UsageByRole, total

MAX_CLUSTERS = 64
# Errors that do not come from an endpoint.
INTERNAL_ERRORS: frozenset[ErrorType] = frozenset({"stopped", "straggler", "budget"})


class AsciiJSONResponse(JSONResponse):
    """JSON in ASCII: texts of models may contain lone surrogates, which UTF-8 cannot encode."""

    def render(self, content: Any) -> bytes:
        """The response body."""
        return json.dumps(content, separators=(",", ":")).encode("ascii")


class ResponseModel(FrozenModel):
    """Base of the responses; clients have to accept fields that later versions add."""

    model_config = ConfigDict(extra="ignore")


class ErrorFields(ResponseModel):
    """The fields of an error."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorReply(ResponseModel):
    """An error, in the format of OpenAI's API."""

    error: ErrorFields


class CompletionDetails(ResponseModel):
    """The part of the completion tokens that is reasoning."""

    reasoning_tokens: int


class CompletionUsage(ResponseModel):
    """All tokens spent, by all samples and syntheses, including truncated and failed ones."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    completion_tokens_details: CompletionDetails | None = None


class AssistantMessage(ResponseModel):
    """The reply: the solution, or a refusal if no answer conforms to the response format."""

    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: str | None = None
    reasoning_content: str | None = None


class RunDetails(ResponseModel):
    """The details of a choice's run; `samples` and `syntheses` are their numbers."""

    run_id: str
    config: str
    method: Method | None
    answer: str | None
    agreement: float | None
    agreement_samples: int | None
    clusters: list[Cluster]
    samples: int
    syntheses: int
    usage: UsageByRole
    savings: Savings | None
    warnings: list[str]


class Choice(ResponseModel):
    """One result; with `n`, one of several independent results."""

    index: int
    message: AssistantMessage
    logprobs: None = None
    finish_reason: FinishReason


class ChatCompletion(ResponseModel):
    """A complete reply; `a2r` has the details of each choice."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: CompletionUsage | None
    system_fingerprint: str | None = None
    a2r: list[RunDetails] | None = None


class ModelInfo(ResponseModel):
    """A served model: a config, or a config with another graph."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: Literal["a2r"] = "a2r"


class ModelList(ResponseModel):
    """All served models."""

    object: Literal["list"] = "list"
    data: list[ModelInfo]


def completion_usage(usages: list[Usage]) -> CompletionUsage | None:
    """The sum of the runs' usages; `None` if the tokens of one of them are unknown."""
    usage = total(usages)
    if usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    reasoning = usage.reasoning_tokens
    return CompletionUsage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
        completion_tokens_details=(
            None if reasoning is None else CompletionDetails(reasoning_tokens=reasoning)
        ),
    )


def run_details(result: Result, warnings: list[str]) -> RunDetails:
    """The details of a run, without the errors of its endpoints."""
    return RunDetails(
        run_id=result.run_id,
        config=result.config,
        method=result.method,
        answer=result.answer,
        agreement=result.agreement,
        agreement_samples=result.agreement_samples,
        clusters=result.clusters[:MAX_CLUSTERS],
        samples=len(result.samples),
        syntheses=len(result.synthesis),
        usage=result.usage,
        savings=result.savings,
        warnings=[
            *(_redact_endpoint_errors(warning, result) for warning in result.warnings),
            *warnings,
        ],
    )


def _redact_endpoint_errors(warning: str, result: Result) -> str:
    """A warning with the types of the endpoints' errors in place of their messages."""
    error_types = {
        attempt.error: attempt.error_type
        for attempt in (*result.samples, *result.synthesis)
        if attempt.error and attempt.error_type and attempt.error_type not in INTERNAL_ERRORS
    }
    # Longest first, as one error may be a prefix of another.
    for error in sorted(error_types, key=len, reverse=True):
        warning = warning.replace(error, error_types[error])
    return warning
