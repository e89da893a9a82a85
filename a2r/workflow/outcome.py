"""A result as a chat message, or as the error of a question without an answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata

from a2r._internal.usage_metadata import usage_metadata
from a2r.errors import EndpointsUnreachableError, NoAnswerError
from a2r.result import Result, Sample
from a2r.usage import Usage
from a2r.workflow.remedies import remedy

# Samples with the same ending have different numbers of attempts.
ATTEMPTS = re.compile(r" \(after \d+ attempts\)$")


def no_answer_error(result: Result) -> NoAnswerError:
    """The error of a question of which no sample finished.

    Its message has the endings of the samples by count, the endpoints, and what to change.
    """
    samples = result.samples
    what = _failure_summary(samples)
    if all(sample.error_type in ("unreachable", "engine") for sample in samples):
        return EndpointsUnreachableError(
            f"explorer: no endpoint can be reached ({_endpoints(samples)}); {what}", result
        )
    return NoAnswerError(f"none of {len(samples)} samples finished: {what}", result)


def _failure_summary(samples: Sequence[Sample]) -> str:
    """How the samples ended, those with the same ending counted together, and what to change."""
    endings: dict[str, list[Sample]] = {}
    for sample in samples:
        endings.setdefault(f"{sample.status}: {_ending(sample)}", []).append(sample)
    groups = sorted(endings.values(), key=len, reverse=True)
    counts = "; ".join(
        f"{len(group)} {group[0].status} at {_endpoints(group)} ({_ending(group[0])})"
        for group in groups
    )
    remedies = dict.fromkeys(filter(None, (remedy(group[0]) for group in groups)))
    return f"{counts}. What to change: {'; '.join(remedies)}." if remedies else counts


def _endpoints(samples: Sequence[Sample]) -> str:
    names = sorted({sample.endpoint for sample in samples if sample.endpoint})
    return ", ".join(names) or "no endpoint"


def _ending(sample: Sample) -> str:
    if sample.error is None:
        return f"finish reason {sample.finish_reason}"
    # The endpoint is named once for all samples with this ending.
    error = sample.error.removeprefix(f"{sample.endpoint}: ")
    return ATTEMPTS.sub("", error)


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
