"""The result of a question, as `ask` returns it and `--json` prints it; its schema is published."""

from __future__ import annotations

from typing import Literal

from pydantic import AliasChoices, Field

from a2r._internal.models import FrozenModel
from a2r.answers.types import ExtractionMethod, Kind
from a2r.usage import Usage, UsageByRole

__all__ = [
    "ROLES",
    "SCHEMA_VERSION",
    "Attempt",
    "Cluster",
    "Cost",
    "Decision",
    "ErrorType",
    "GateReport",
    "LogProbs",
    "Method",
    "Record",
    "Recovery",
    "Result",
    "Role",
    "Sample",
    "Savings",
    "Status",
    "Synthesis",
]

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
    """Base of the parts of a result: immutable, without unknown fields."""


class LogProbs(Record):
    """Log-probabilities of the tokens of a reply, where the server reports them.

    `lowest_window` is the lowest mean of `window` tokens in a row: the lowest group confidence of
    DeepConf (arXiv 2508.15260, section 3), without its other candidates for each token.
    """

    tokens: int
    mean: float
    lowest_window: float
    window: int


class Attempt(Record):
    """One attempt of a role at the question.

    `text` is the reply without its reasoning. `answer` is set only for status `answered`;
    `extraction_method` is null where the answer is the complete text. `seconds` is wall time,
    including queueing. `error_type` classifies `error`. `logprobs` is null unless
    `sampling.extra_body` requests them. Stored runs of earlier versions have the
    names `how` and `fault` for `extraction_method` and `error_type`; both are read.
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
    logprobs: LogProbs | None = None

    @property
    def finished(self) -> bool:
        """Whether the attempt ended by itself with a text, with or without an answer."""
        return self.status in ("answered", "abstained") and bool(self.text)


class Recovery(Record):
    """The further request for the answer of a finished sample without one (`answers.recover`).

    `status` is `answered` if the reply holds the answer, `text` is the reply. `usage` and `seconds`
    are part of those of the sample.
    """

    status: Status
    text: str = ""
    usage: Usage = Usage()
    seconds: float | None = None
    endpoint: str | None = None
    error: str | None = None
    error_type: ErrorType | None = None


class Sample(Attempt):
    """One attempt at the question without references.

    `wave` counts from 0, `index` over all waves. `role` is the role whose model drew the sample:
    the explorer, or in a cascade also the synthesizer. `recovery` is null if the answer was not
    requested again; if that request had one, `text` ends with its reply.
    """

    wave: int = 0
    role: Role = "explorer"
    recovery: Recovery | None = None

    @property
    def is_recovered(self) -> bool:
        """Whether the answer comes from a further request."""
        return self.recovery is not None and self.recovery.status == "answered"


class Synthesis(Attempt):
    """One attempt of the synthesizer over references; `round` counts from 0.

    `selected` is the index of the selected sample in the graph `select`.
    """

    round: int = 0
    selected: int | None = None


class Cluster(Record):
    """Samples whose answers are equivalent; `samples` are their indices, ascending.

    `undecided`: a comparison with another cluster timed out, and counts as different.
    """

    answer: str
    votes: int
    samples: list[int]
    undecided: bool = False


class GateReport(Record):
    """The decision of the gate after a wave and its reason; `next` is the size of the next wave."""

    rule: str
    decision: Decision
    reason: str
    wave: int = 0
    next: int | None = None


class Cost(Record):
    """Samples, syntheses, their tokens and their cost in the currency of the prices."""

    samples: int
    syntheses: int
    tokens: int | None
    cost: float | None


class Savings(Record):
    """An estimate of the savings compared with the fixed workflow.

    The fixed workflow draws every planned sample and always synthesizes. Samples and syntheses
    that were not made count as the average of those that were; `basis` names these. `fixed` is
    the cost of the fixed workflow, `saved` is `fixed` minus the actual cost, and can be negative.
    """

    estimated: Literal[True] = True
    basis: str
    fixed: Cost
    saved: Cost


class Result(Record):
    """The result of a question.

    `answer` and `method` are null without a result. `agreement` is the share of the top cluster
    in `agreement_samples`: the voting samples with an answer, and those that were given up before
    they had one. Both are null if no sample answered. Unknown numbers are null. `decisions` has one
    report per wave, `gate` is the last of them.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    question: str
    answer: str | None
    kind: Kind
    method: Method | None
    text: str
    agreement: float | None
    agreement_samples: int | None = None
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
