"""A result as a chat message, or as the error of a question without an answer."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata

from a2r._internal.usage_metadata import usage_metadata
from a2r.errors import EndpointsUnreachableError, NoAnswerError
from a2r.result import Result, Sample
from a2r.usage import Usage


def no_answer_error(result: Result) -> NoAnswerError:
    """The error of a question of which no sample finished."""
    samples = result.samples
    what = _failure_summary(samples)
    if all(sample.error_type in ("unreachable", "engine") for sample in samples):
        endpoints = ", ".join(sorted({sample.endpoint or "?" for sample in samples}))
        return EndpointsUnreachableError(
            f"explorer: no endpoint can be reached ({endpoints}); {what}", result
        )
    return NoAnswerError(f"none of {len(samples)} samples finished: {what}", result)


def _failure_summary(samples: Sequence[Sample]) -> str:
    """How the samples ended, those with the same ending listed together."""
    ends: dict[str, list[str]] = {}
    for sample in samples:
        end = f"{sample.status}: {sample.error or _sample_ending(sample)}"
        ends.setdefault(end, []).append(str(sample.index))
    return "; ".join(
        f"sample{'s' if len(indices) > 1 else ''} {', '.join(indices)} {end}"
        for end, indices in ends.items()
    )


def _sample_ending(sample: Sample) -> str:
    return f"finish reason {sample.finish_reason}"


def to_message(result: Result) -> AIMessage:
    """The result as a chat message: the solution, with its usage."""
    details = result.model_dump(mode="json", include={"method", "answer", "agreement", "run_id"})
    return AIMessage(
        content=result.text,
        response_metadata={"a2r": details},
        usage_metadata=message_usage(result.usage.total),
    )


def message_usage(usage: Usage) -> UsageMetadata | None:
    """A usage as LangChain's messages carry it; `None` where the prompt or reply is unknown."""
    return usage_metadata(usage.prompt_tokens, usage.completion_tokens, usage.reasoning_tokens)
