"""The result of a question: what `--json` prints and `ask` returns, with a published schema."""

from __future__ import annotations

from typing import Literal

from pydantic import AliasChoices, Field

from a2r._internal.models import FrozenModel
from a2r.answers.types import ExtractionMethod, Kind
from a2r.usage import Usage, UsageByRole

SCHEMA_VERSION: Literal[1] = 1


Role = Literal["explorer", "synthesizer"]
ROLES: tuple[Role, ...] = ("explorer", "synthesizer")
Status = Literal["answered", "abstained", "truncated", "failed", "cancelled"]
Method = Literal["unanimous", "majority", "synthesized", "selected", "majority_fallback", "single"]
Decision = Literal["accept", "sample_more", "synthesize", "no_answer"]
ErrorType = Literal[
    "unreachable",
    "timeout",
    "deadline",
    "rate_limited",
    "server_error",
    "broken_stream",
    "malformed_reply",
    "context_overflow",
    "content_filter",
    "rejected",
    "engine",
    "internal",
    "stopped",
    "straggler",
    "budget",
]


class Record(FrozenModel):
    """Base of the parts of a result: immutable, no unknown fields."""


class Attempt(Record):
    """One attempt of a role at the question.

    `text` is the answer part without the thinking; `answer` is set for status `answered` alone;
    `extraction_method` says how it was found (null: it is the whole text); `seconds` is wall
    time, queueing included; `error_type` classifies `error`. Runs that were stored earlier call
    the two `how` and `fault`, which are still read.
    """

    index: int
    status: Status
    answer: str | None = None
    extraction_method: ExtractionMethod | None = Field(
        default=None, validation_alias=AliasChoices("extraction_method", "how")
    )
    text: str = ""
    reasoning_tokens: int | None = None
    finish_reason: str | None = None
    usage: Usage = Usage()
    seconds: float | None = None
    endpoint: str | None = None
    error: str | None = None
    error_type: ErrorType | None = Field(
        default=None, validation_alias=AliasChoices("error_type", "fault")
    )

    @property
    def finished(self) -> bool:
        """Whether it ended by itself and left a text, an answer in it or not."""
        return self.status in ("answered", "abstained") and bool(self.text)


class Sample(Attempt):
    """One attempt at the question alone; `wave` counts from 0, `index` over all waves.

    `role` is the explorer, or in a cascade the synthesizer, whose model drew it.
    """

    wave: int = 0
    role: Role = "explorer"


class Synthesis(Attempt):
    """One attempt of the synthesizer over references; `round` counts from 0.

    `selected` is the index of the sample that it chose, where it was asked to choose one.
    """

    round: int = 0
    selected: int | None = None


class Cluster(Record):
    """Samples whose answers are equivalent; `samples` are their indices, ascending.

    `undecided`: a comparison with another cluster did not end in time, and counts as different.
    """

    answer: str
    votes: int
    samples: list[int]
    undecided: bool = False


class GateReport(Record):
    """What the gate decided after a wave, and why; `next` is the size of the wave that follows."""

    rule: str
    decision: Decision
    reason: str
    wave: int = 0
    next: int | None = None


class Cost(Record):
    """An amount of work: samples, syntheses, their tokens, and money; null where unknown."""

    samples: int
    syntheses: int
    tokens: int | None
    cost: float | None


class Savings(Record):
    """What the flow that always draws every sample and always synthesizes would have cost.

    An estimate: every sample that was not drawn, and a synthesis that was not made, count as the
    average of the measured ones; `basis` says of which. `saved` is `fixed` less what was spent;
    negative where more was spent.
    """

    estimated: Literal[True] = True
    basis: str
    fixed: Cost
    saved: Cost


class Result(Record):
    """Everything that came of a question.

    `answer` and `method` are null where there is no result, `agreement` (the top cluster's votes
    over the answered samples) where no sample answered. Numbers that are unknown are null.
    `gate` is the last of the gate's `decisions`, one a wave.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    question: str
    answer: str | None
    kind: Kind
    method: Method | None
    text: str
    agreement: float | None
    clusters: list[Cluster]
    samples: list[Sample]
    gate: GateReport | None
    decisions: list[GateReport]
    synthesis: list[Synthesis]
    usage: UsageByRole
    savings: Savings | None
    seconds: float
    run_id: str
    config: str
    warnings: list[str]
