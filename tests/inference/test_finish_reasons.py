"""Finish reasons map to statuses, in the spelling of every server."""

from __future__ import annotations

import pytest

from a2r.inference.finish_reasons import is_failure, is_filter, is_stated, reply_status
from a2r.result import Status


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("stop", "answered"),
        ("STOP", "answered"),
        ("end_turn", "answered"),
        ("eos", "answered"),
        ("tool_calls", "answered"),
        ("length", "truncated"),
        ("LENGTH", "truncated"),
        ("MAX_TOKENS", "truncated"),
        ("max_output_tokens", "truncated"),
        ("model_length", "truncated"),
        ("FinishReason.MAX_TOKENS", "truncated"),
        ("FINISH_REASON_MAX_TOKENS", "truncated"),
        ("maxTokens", "truncated"),
        ("TokenLimitReached", "truncated"),
        ("TIME_LIMIT", "truncated"),
        ("ContentFilter", "abstained"),
        ("content_filter: PROHIBITED_CONTENT", "abstained"),
        ("USER_CANCEL", "cancelled"),
        ("SAFETY", "abstained"),
        ("prohibited_content", "abstained"),
        ("Recitation", "abstained"),
        ("BLOCKLIST", "abstained"),
        ("refusal", "abstained"),
        ("content-filter", "abstained"),
        ("abort", "cancelled"),
        ("error", "failed"),
        ("ERROR", "failed"),
    ],
)
def test_spellings(reason: str, status: Status) -> None:
    assert reply_status(reason, "\\boxed{4") == status
    assert is_stated(reason)
    assert is_filter(reason) == (status == "abstained")
    assert is_failure(reason) == (status == "failed")


@pytest.mark.parametrize("reason", [None, "", "null", "None", "FINISH_REASON_UNSPECIFIED"])
def test_without_a_finish_reason_the_form_of_the_text_decides(reason: str | None) -> None:
    assert not is_stated(reason)
    assert not is_filter(reason)
    assert reply_status(reason, "So it is \\boxed{4}.") == "answered"
    assert reply_status(reason, "So it is \\boxed{4") == "truncated"
