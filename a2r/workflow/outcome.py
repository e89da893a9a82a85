"""A result as others take it: a chat message, or an error that says what happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage

from a2r.errors import EndpointsUnreachableError, NoAnswerError
from a2r.result import Result, Sample


def no_answer_error(result: Result) -> NoAnswerError:
    """The error of a question none of whose samples finished."""
    samples = result.samples
    what = _failure_summary(samples)
    if all(sample.error_type in ("unreachable", "engine") for sample in samples):
        endpoints = ", ".join(sorted({sample.endpoint or "?" for sample in samples}))
        return EndpointsUnreachableError(
            f"explorer: no endpoint can be reached ({endpoints}); {what}", result
        )
    return NoAnswerError(f"none of {len(samples)} samples finished: {what}", result)


def _failure_summary(samples: Sequence[Sample]) -> str:
    """What became of the samples, those with the same end told together."""
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
    """The result as a message of a chat: the solution, with its usage."""
    usage = result.usage.total
    counts = (usage.prompt_tokens, usage.completion_tokens)
    metadata: Any = None
    if None not in counts:
        prompt, completion = int(counts[0] or 0), int(counts[1] or 0)
        metadata = {
            "input_tokens": prompt,
            "output_tokens": completion,
            "total_tokens": prompt + completion,
        }
    told = result.model_dump(mode="json", include={"method", "answer", "agreement", "run_id"})
    return AIMessage(content=result.text, response_metadata={"a2r": told}, usage_metadata=metadata)
