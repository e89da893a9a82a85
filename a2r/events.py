"""What a run tells while it goes on: typed events, JSON on LangGraph's custom stream."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from a2r._internal.models import FrozenModel
from a2r.answers import Kind
from a2r.result import Cluster, GateReport, Result, Role, Sample, Synthesis


class Event(FrozenModel):
    """Base of the events."""


class RunStarted(Event):
    """A question was taken up."""

    type: Literal["run_started"] = "run_started"
    run_id: str
    question: str
    kind: Kind
    samples: int


class SampleStarted(Event):
    """A sample waits for a place or runs."""

    type: Literal["sample_started"] = "sample_started"
    index: int
    wave: int
    role: Role


class SampleProgress(Event):
    """A sample has brought about `tokens` tokens (pieces of the stream) in `seconds`."""

    type: Literal["sample_progress"] = "sample_progress"
    index: int
    tokens: int
    seconds: float


class SampleFinished(Event):
    """A sample ended; its answer is not extracted yet."""

    type: Literal["sample_finished"] = "sample_finished"
    sample: Sample


class ClustersUpdated(Event):
    """The votes after a wave."""

    type: Literal["clustered"] = "clustered"
    kind: Kind
    samples: list[Sample]
    clusters: list[Cluster]


class GateDecided(Event):
    """The gate's decision after a wave."""

    type: Literal["gate_decided"] = "gate_decided"
    gate: GateReport


class ReferencesPacked(Event):
    """The references of a round were chosen; `tokens` of the prompt, `exact` if counted."""

    type: Literal["references_packed"] = "references_packed"
    round: int
    references: int
    left_out: int
    cut: int
    tokens: int
    exact: bool


class SynthesisStarted(Event):
    """The synthesizer begins an attempt over so many references.

    `result` says that what it writes will be the result's text, if it ends well: no other attempt
    votes, and none follows.
    """

    type: Literal["synthesis_started"] = "synthesis_started"
    index: int
    round: int
    references: int
    result: bool


class SynthesisDelta(Event):
    """New text of the synthesizer; `thinking` is not part of the solution."""

    type: Literal["synthesis_delta"] = "synthesis_delta"
    index: int
    round: int
    text: str
    thinking: str


class SynthesisRestarted(Event):
    """An attempt failed and is made again: what it had written so far counts no more."""

    type: Literal["synthesis_restarted"] = "synthesis_restarted"
    index: int
    round: int


class SynthesisFinished(Event):
    """An attempt of the synthesizer ended."""

    type: Literal["synthesis_finished"] = "synthesis_finished"
    synthesis: Synthesis


class RunFinished(Event):
    """The result is there."""

    type: Literal["finished"] = "finished"
    result: Result


AnyEvent = (
    RunStarted
    | SampleStarted
    | SampleProgress
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
    """The event that a value of the custom stream is, or `None` if it is somebody else's."""
    if not isinstance(data, dict) or "a2r_event" not in data:
        return None
    return _ADAPTER.validate_python(data["a2r_event"])


def event_to_json(event: Event) -> dict[str, Any]:
    """An event as it goes on the custom stream."""
    return {"a2r_event": event.model_dump(mode="json")}
