"""The content of a chat reply, and how it ended."""

from __future__ import annotations

from typing import Literal

from a2r.errors import NoAnswerError
from a2r.result import Result

FinishReason = Literal["stop", "length", "content_filter"]


def reply_content(result: Result, *, answer_alone: bool) -> str:
    """The whole solution; or the answer alone, where a format was asked for.

    Where every sample was cut off, as far as the first one came.
    """
    if answer_alone:
        return result.answer or ""
    if result.text:
        return result.text
    return next((sample.text for sample in result.samples if sample.text), "")


def finish_reason(result: Result) -> FinishReason:
    """`stop`; where nothing finished, `length` or `content_filter`, whichever ended it."""
    if result.method is not None:
        return "stop"
    # Where nothing was answered, a synthesis may have come furthest.
    told = [one for one in result.synthesis if one.text and one.text == result.text]
    if told and told[0].status == "truncated":
        return "length"
    filtered = any(sample.error_type == "content_filter" for sample in result.samples)
    if any(one.finished and one.error_type != "content_filter" for one in result.samples):
        return "stop"
    if any(sample.status == "truncated" for sample in result.samples):
        return "length"
    return "content_filter" if filtered else "stop"


def finished_result(error: NoAnswerError) -> Result | None:
    """The result of a run without an answer that a chat client still wants to see.

    That is one whose samples were cut off at the limit of their tokens, or by a content filter:
    the client asked for as much. Anything else is an error.
    """
    return error.result if finish_reason(error.result) != "stop" else None
