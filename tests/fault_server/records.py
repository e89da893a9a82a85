"""One request, and one model, in the books."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

Outcome = Literal["finished", "failed", "cancelled", "reset", "cut", "killed"]
"""Complete with status 200; complete with another; the client hung up; the server reset the
connection, closed it early, or went down."""

Phase = Literal["reading", "waiting", "running", "left"]


@dataclass(slots=True, kw_only=True)
class Record:
    """One chat request; times are seconds since the server's start."""

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
    told: int | None = None
    """Completion tokens in the final usage; null where none was sent."""
    told_so_far: int | None = None
    """Completion tokens in the last usage that was sent at all."""


@dataclass(slots=True, kw_only=True)
class ModelBooks:
    """The counts of one model."""

    requests: int = 0
    waiting: int = 0
    running: int = 0
    prompt_tokens: int = 0
    generated: int = 0
    told_prompt_tokens: int = 0
    told: int = 0
    cache_queries: int = 0
    cache_hits: int = 0
    finish_reasons: Counter[str] = field(default_factory=Counter)
