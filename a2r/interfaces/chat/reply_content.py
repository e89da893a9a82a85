"""The content and the finish reason of a chat reply."""

from __future__ import annotations

from typing import Literal

from a2r.errors import NoAnswerError
from a2r.result import Result

FinishReason = Literal["stop", "length", "content_filter"]


def reply_content(result: Result, *, answer_alone: bool) -> str:
    """The complete solution, or only the answer if the request has a response format.

    If all samples were truncated, the text of the first one that has any.
    """
    if answer_alone:
        return result.answer or ""
    if result.text:
        return result.text
    return next((sample.text for sample in result.samples if sample.text), "")


def finish_reason(result: Result) -> FinishReason:
    """`stop`; if no sample finished, `length` or `content_filter`, depending on the cause."""
    if result.method is not None:
        return "stop"
    # Without an answer, the text of the result may be that of a synthesis.
    sources = [s for s in result.synthesis if s.text and s.text == result.text]
    if sources and sources[0].status == "truncated":
        return "length"
    filtered = any(sample.error_type == "content_filter" for sample in result.samples)
    if any(s.finished and s.error_type != "content_filter" for s in result.samples):
        return "stop"
    if any(sample.status == "truncated" for sample in result.samples):
        return "length"
    return "content_filter" if filtered else "stop"


def finished_result(error: NoAnswerError) -> Result | None:
    """The result of a run without an answer, if a chat client expects a reply and not an error.

    That is the case if the samples were truncated at `max_tokens` or stopped by a content filter:
    OpenAI's API replies with such texts, too.
    """
    return error.result if finish_reason(error.result) != "stop" else None
