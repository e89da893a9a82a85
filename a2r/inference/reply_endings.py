"""What a reply without a usable text was: an empty text, thinking alone, a refusal, a filter."""

from __future__ import annotations

from a2r._internal.text import one_line
from a2r.inference.finish_reasons import UNSTATED, is_filter, is_stated
from a2r.inference.transport.stream_accumulator import StreamAccumulator
from a2r.result import Status

MAX_REFUSAL_CHARACTERS = 300


def is_refused(accumulator: StreamAccumulator, text: str) -> bool:
    """Whether a filter ended the reply, or the model refused to reply."""
    return is_filter(accumulator.finish_reason) or (bool(accumulator.refusal) and not text)


def describe_ending(
    accumulator: StreamAccumulator, status: Status, text: str, thinking: str
) -> str | None:
    """Why a complete reply is no usable text; `None` if its text says it."""
    if status == "answered" and text:
        return None
    reason = accumulator.finish_reason or UNSTATED
    refusal = one_line("".join(accumulator.refusal), MAX_REFUSAL_CHARACTERS)
    if is_filter(reason):
        what = f"a filter ended the reply (finish reason {reason})"
        return f"{what}: {refusal}" if refusal else what
    if status == "cancelled":
        return f"the server aborted the request (finish reason {reason})"
    if text:
        unfinished = status == "truncated" and not is_stated(reason)
        return (
            "the server stated no finish reason, and the text is unfinished" if unfinished else None
        )
    if refusal:
        return f"the model refused: {refusal}"
    if thinking:
        return f"thinking without a text after it (finish reason {reason})"
    if accumulator.has_tool_calls:
        return f"a tool call without a text (finish reason {reason})"
    return f"an empty reply (finish reason {reason})"
