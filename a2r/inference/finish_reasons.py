"""Finish reasons of servers and gateways, as statuses of a reply; compared without case."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from a2r.answers.extraction.completeness import is_complete
from a2r.result import Status

MAX_CHARACTERS = 40
# The end of a complete response whose server states no finish reason.
UNSTATED = "unstated"
NOT_STATED = frozenset({"", "null", "none", "unspecified", UNSTATED})
LIMITS = (
    *("length", "max_tokens", "max_output_tokens", "max_new_tokens", "max_completion_tokens"),
    *("max_length", "model_length", "context_length", "context_length_exceeded"),
    *("model_context_window_exceeded", "error_limit", "token_limit", "token_limit_reached"),
    *("time_limit", "timeout", "repetition"),
)
FILTERS = (
    *("content_filter", "content_filtered", "safety", "image_safety", "prohibited_content"),
    *("recitation", "blocklist", "spii", "sensitive", "guardrail_intervened", "error_toxic"),
    "refusal",
)
CANCELLATIONS = ("abort", "aborted", "cancelled", "canceled", "user_cancel")
FAILURES = ("error", "network_error", "insufficient_system_resource")
STATUS_BY_FINISH_REASON: Mapping[str, Status] = {
    **dict.fromkeys(LIMITS, "truncated"),
    **dict.fromkeys(FILTERS, "abstained"),
    **dict.fromkeys(CANCELLATIONS, "cancelled"),
    **dict.fromkeys(FAILURES, "failed"),
}
STATUS_BY_LETTERS = {
    reason.replace("_", ""): status for reason, status in STATUS_BY_FINISH_REASON.items()
}


@lru_cache(maxsize=128)
def normalize(finish_reason: str) -> str:
    """The finish reason in lower case, without separators, enumeration and explanation.

    `max_tokens`, `MaxTokens`, `FinishReason.MAX_TOKENS` and `FINISH_REASON_MAX_TOKENS` are one;
    `content_filter: SAFETY` is `content_filter`.
    """
    name = finish_reason.partition(":")[0].lower().rpartition(".")[2]
    for separator in "_- ":
        name = name.replace(separator, "")
    return name.removeprefix("finishreason")


def is_stated(finish_reason: object) -> bool:
    """Whether a field `finish_reason` states one; some servers send an empty one, or `"null"`."""
    if finish_reason is None:
        return False
    return normalize(str(finish_reason)[:MAX_CHARACTERS]) not in NOT_STATED


def is_filter(finish_reason: str | None) -> bool:
    """Whether a filter ended the reply, or the model refused to reply."""
    return STATUS_BY_LETTERS.get(normalize(finish_reason or "")) == "abstained"


def is_limit(finish_reason: str | None) -> bool:
    """Whether a limit of tokens ended the reply."""
    return STATUS_BY_LETTERS.get(normalize(finish_reason or "")) == "truncated"


def is_failure(finish_reason: str | None) -> bool:
    """Whether the server failed and the request may be retried."""
    return STATUS_BY_LETTERS.get(normalize(finish_reason or "")) == "failed"


def reply_status(finish_reason: str | None, text: str) -> Status:
    """The status of a complete reply; `answered` for every text that its server ended normally.

    Without a finish reason, the text counts if it is complete by its own form.
    """
    if not is_stated(finish_reason):
        return "answered" if is_complete(text) else "truncated"
    return STATUS_BY_LETTERS.get(normalize(finish_reason or ""), "answered")
