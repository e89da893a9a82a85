"""The log entry of one request, and the counters of one model."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

Outcome = Literal["finished", "failed", "cancelled", "reset", "cut", "killed"]
"""Complete with status 200; complete with an error status; client disconnected; connection reset by
the server; connection closed early by the server; server stopped."""

Phase = Literal["reading", "waiting", "running", "closed"]


@dataclass(slots=True, kw_only=True)
class Record:
    """One chat request; times are seconds since the start of the server."""

    number: int
    start: float
    end: float | None = None
    model: str = ""
    kind: str = ""
    stream: bool = False
    status: int | None = None
    outcome: Outcome | None = None
    phase: Phase = "reading"
    body: dict[str, Any] | None = None
    headers: dict[str, str] | None = None
    prompt_tokens: int = 0
    generated: int = 0
    reported_tokens: int | None = None
    """Completion tokens in the final usage; `None` if none was sent."""
    last_reported_tokens: int | None = None
    """Completion tokens in the last usage sent, final or not."""


@dataclass(slots=True, kw_only=True)
class ModelCounts:
    """The counters of one model."""

    requests: int = 0
    waiting: int = 0
    running: int = 0
    prompt_tokens: int = 0
    generated: int = 0
    reported_prompt_tokens: int = 0
    reported_tokens: int = 0
    cache_queries: int = 0
    cache_hits: int = 0
    finish_reasons: Counter[str] = field(default_factory=Counter)
