"""The typed events of a run, sent as JSON on LangGraph's custom stream."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from a2r._internal.models import FrozenModel
from a2r.answers import Kind
from a2r.result import Cluster, GateReport, Recovery, Result, Role, Sample, Synthesis

__all__ = [
    "AnyEvent",
    "ClustersUpdated",
    "Event",
    "GateDecided",
    "RecoveryFinished",
    "ReferencesPacked",
    "RunFinished",
    "RunStarted",
    "SampleFinished",
    "SampleProgress",
    "SampleStarted",
    "SynthesisDelta",
    "SynthesisFinished",
    "SynthesisRestarted",
    "SynthesisStarted",
    "event_to_json",
    "parse_event",
]


class Event(FrozenModel):
    """Base of the events."""


class RunStarted(Event):
    """The run started; `samples` is the number of samples in all waves."""

    type: Literal["run_started"] = "run_started"
    run_id: str
    question: str
    kind: Kind
    samples: int


class SampleStarted(Event):
    """A sample started; its request may wait for a free slot at an endpoint."""

    type: Literal["sample_started"] = "sample_started"
    index: int
    wave: int
    role: Role


class SampleProgress(Event):
    """A sample has received about `tokens` tokens (stream chunks) in `seconds`."""

    type: Literal["sample_progress"] = "sample_progress"
    index: int
    tokens: int
    seconds: float


class RecoveryFinished(Event):
    """A finished sample without an answer was continued by a further request.

    `answer` is null if that request had no answer either. The sample finishes with the next event.
    """

    type: Literal["recovery_finished"] = "recovery_finished"
    index: int
    answer: str | None
    recovery: Recovery


class SampleFinished(Event):
    """A sample finished; its answer is not extracted yet, unless it was recovered."""

    type: Literal["sample_finished"] = "sample_finished"
    sample: Sample


class ClustersUpdated(Event):
    """The answers of a wave were clustered."""

    type: Literal["clustered"] = "clustered"
    kind: Kind
    samples: list[Sample]
    clusters: list[Cluster]


class GateDecided(Event):
    """The gate decided after a wave."""

    type: Literal["gate_decided"] = "gate_decided"
    gate: GateReport


class ReferencesPacked(Event):
    """The references of a round were selected.

    Attributes:
        round: the round of syntheses, from 0.
        references: the number of references in the prompt.
        left_out: the number of references that do not fit.
        cut: the number of truncated references.
        tokens: the length of the prompt in tokens.
        exact: whether the tokens were counted; otherwise they are an estimate.
    """

    type: Literal["references_packed"] = "references_packed"
    round: int
    references: int
    left_out: int
    cut: int
    tokens: int
    exact: bool


class SynthesisStarted(Event):
    """An attempt of the synthesizer started.

    `result` is true if its text becomes the text of the result: it is the only attempt of the
    last round.
    """

    type: Literal["synthesis_started"] = "synthesis_started"
    index: int
    round: int
    references: int
    result: bool


class SynthesisDelta(Event):
    """New text of the synthesizer; `thinking` is its reasoning, not part of the solution.

    If `retracts` is true, the text of the attempt's earlier deltas was thinking: the prompt of the
    model starts its thinking, and only the end of that shows in its reply.
    """

    type: Literal["synthesis_delta"] = "synthesis_delta"
    index: int
    round: int
    text: str
    thinking: str
    retracts: bool = False


class SynthesisRestarted(Event):
    """An attempt failed and is retried: its earlier deltas are void."""

    type: Literal["synthesis_restarted"] = "synthesis_restarted"
    index: int
    round: int


class SynthesisFinished(Event):
    """An attempt of the synthesizer finished."""

    type: Literal["synthesis_finished"] = "synthesis_finished"
    synthesis: Synthesis


class RunFinished(Event):
    """The run finished."""

    type: Literal["finished"] = "finished"
    result: Result


AnyEvent = (
    RunStarted
    | SampleStarted
    | SampleProgress
    | RecoveryFinished
    | SampleFinished
    | ClustersUpdated
    | GateDecided
    | ReferencesPacked
    | SynthesisStarted
    | SynthesisDelta
    | SynthesisRestarted
    | SynthesisFinished
    | RunFinished
)
_ADAPTER: TypeAdapter[AnyEvent] = TypeAdapter(Annotated[AnyEvent, Field(discriminator="type")])


def parse_event(data: Any) -> AnyEvent | None:
    """Parse a value of the custom stream; `None` if it is not an event of A2R.

    Raises:
        pydantic.ValidationError: the event has an unknown type or invalid fields.
    """
    if not isinstance(data, dict) or "a2r_event" not in data:
        return None
    return _ADAPTER.validate_python(data["a2r_event"])


def event_to_json(event: Event) -> dict[str, Any]:
    """The value of an event for the custom stream."""
    return {"a2r_event": event.model_dump(mode="json")}
