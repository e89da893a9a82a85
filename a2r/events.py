"""What a run tells while it goes on: typed events, JSON on LangGraph's custom stream."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from a2r.answers import Kind
from a2r.result import Cluster, GateReport, Result, Sample, Synthesis


class Event(BaseModel):
    """Base of the events."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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


class Clustered(Event):
    """The votes after a wave."""

    type: Literal["clustered"] = "clustered"
    kind: Kind
    samples: list[Sample]
    clusters: list[Cluster]


class GateDecided(Event):
    """The gate's decision after a wave."""

    type: Literal["gate_decided"] = "gate_decided"
    gate: GateReport


class SynthesisStarted(Event):
    """The synthesizer begins."""

    type: Literal["synthesis_started"] = "synthesis_started"
    references: int


class SynthesisDelta(Event):
    """New text of the synthesizer; `thinking` is not part of the solution."""

    type: Literal["synthesis_delta"] = "synthesis_delta"
    index: int
    text: str
    thinking: str


class SynthesisFinished(Event):
    """The synthesizer's attempts ended."""

    type: Literal["synthesis_finished"] = "synthesis_finished"
    synthesis: list[Synthesis]


class Finished(Event):
    """The result is there."""

    type: Literal["finished"] = "finished"
    result: Result


AnyEvent = (
    RunStarted
    | SampleStarted
    | SampleProgress
    | SampleFinished
    | Clustered
    | GateDecided
    | SynthesisStarted
    | SynthesisDelta
    | SynthesisFinished
    | Finished
)
_ADAPTER: TypeAdapter[AnyEvent] = TypeAdapter(Annotated[AnyEvent, Field(discriminator="type")])


def parse_event(data: Any) -> AnyEvent | None:
    """The event that a value of the custom stream is, or `None` if it is somebody else's."""
    if not isinstance(data, dict) or "a2r_event" not in data:
        return None
    return _ADAPTER.validate_python(data["a2r_event"])


def as_json(event: Event) -> dict[str, Any]:
    """An event as it goes on the custom stream."""
    return {"a2r_event": event.model_dump(mode="json")}
