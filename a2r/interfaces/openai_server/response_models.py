"""The replies that the server gives, in the shapes of OpenAI's API."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from starlette.responses import JSONResponse

from a2r.interfaces.chat import FinishReason
from a2r.result import Cluster, ErrorType, Method, Result, Savings
from a2r.usage import Usage as Spent
from a2r.usage import UsageByRole, total

MAX_CLUSTERS = 64
# What ends an attempt without an endpoint having any part in it.
INTERNAL_ERRORS: frozenset[ErrorType] = frozenset({"stopped", "straggler", "budget"})


class AsciiJSONResponse(JSONResponse):
    """JSON in ASCII: what models write may hold halves of characters, which UTF-8 has not."""

    def render(self, content: Any) -> bytes:
        """The body."""
        return json.dumps(content, separators=(",", ":")).encode("ascii")


class ResponseModel(BaseModel):
    """Base of what is sent."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())


class ErrorFields(ResponseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorReply(ResponseModel):
    """An error, as OpenAI's API tells it."""

    error: ErrorFields


class CompletionDetails(ResponseModel):
    """Of the completion tokens, those of thinking."""

    reasoning_tokens: int


class CompletionUsage(ResponseModel):
    """Every token that was spent: of all samples and syntheses, cut off and failed ones too."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    completion_tokens_details: CompletionDetails | None = None


class AssistantMessage(ResponseModel):
    """The solution, and how it came about."""

    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: str | None = None
    reasoning_content: str | None = None


class RunDetails(ResponseModel):
    """How A2R came to a choice; `samples` and `syntheses` are how many were made."""

    run_id: str
    config: str
    method: Method | None
    answer: str | None
    agreement: float | None
    clusters: list[Cluster]
    samples: int
    syntheses: int
    usage: UsageByRole
    savings: Savings | None
    warnings: list[str]


class Choice(ResponseModel):
    """One result; with `n`, one of several independent ones."""

    index: int
    message: AssistantMessage
    logprobs: None = None
    finish_reason: FinishReason


class ChatCompletion(ResponseModel):
    """A whole reply; `a2r` has the details of each choice."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: CompletionUsage | None
    system_fingerprint: str | None = None
    a2r: list[RunDetails] | None = None


class ModelInfo(ResponseModel):
    """A model that is served: a config, or a config with another graph."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: Literal["a2r"] = "a2r"


class ModelList(ResponseModel):
    """All models that are served."""

    object: Literal["list"] = "list"
    data: list[ModelInfo]


def completion_usage(spent: list[Spent]) -> CompletionUsage | None:
    """The tokens of some runs; `None` where any of them are unknown, which a number would hide."""
    whole = total(spent)
    if whole.prompt_tokens is None or whole.completion_tokens is None:
        return None
    thinking = whole.reasoning_tokens
    return CompletionUsage(
        prompt_tokens=whole.prompt_tokens,
        completion_tokens=whole.completion_tokens,
        total_tokens=whole.prompt_tokens + whole.completion_tokens,
        completion_tokens_details=(
            None if thinking is None else CompletionDetails(reasoning_tokens=thinking)
        ),
    )


def run_details(result: Result, warnings: list[str]) -> RunDetails:
    """How a result came about."""
    return RunDetails(
        run_id=result.run_id,
        config=result.config,
        method=result.method,
        answer=result.answer,
        agreement=result.agreement,
        clusters=result.clusters[:MAX_CLUSTERS],
        samples=len(result.samples),
        syntheses=len(result.synthesis),
        usage=result.usage,
        savings=result.savings,
        warnings=[*(_redact_endpoint_errors(told, result) for told in result.warnings), *warnings],
    )


def _redact_endpoint_errors(warning: str, result: Result) -> str:
    """A warning without which endpoints there are and what they say: that is in the logs."""
    told = {
        attempt.error: attempt.error_type
        for attempt in (*result.samples, *result.synthesis)
        if attempt.error and attempt.error_type and attempt.error_type not in INTERNAL_ERRORS
    }
    # One error may begin as another one does.
    for error in sorted(told, key=len, reverse=True):
        warning = warning.replace(error, told[error])
    return warning
