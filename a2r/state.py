"""The state of a graph: JSON values and chat messages only, so that any checkpointer holds it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AnyMessage
from langgraph.graph.message import add_messages

from a2r.answers import Kind
from a2r.models.reply import ChatMessage
from a2r.result import Sample, Synthesis

Json = dict[str, Any]


class Task(TypedDict):
    """What belongs to one question: written by `prepare`, its kind fixed after the first wave.

    `asked_kind` is what the explorer is prompted for, `kind` what is extracted; `waves` are the
    sizes of the waves; `started_at` is in seconds since the epoch.
    """

    run_id: str
    question: str
    history: list[ChatMessage]
    asked_kind: Kind
    kind: Kind
    waves: list[int]
    started_at: float


class SampleTask(TypedDict):
    """What one `explore` task is sent."""

    task: Task
    index: int
    wave: int


class Input(TypedDict, total=False):
    """What goes in: a question, or chat messages the last of which asks."""

    question: str | None
    messages: list[AnyMessage]


class Output(TypedDict, total=False):
    """What comes out: the result, its answer, and the messages with the solution added."""

    messages: Annotated[list[AnyMessage], add_messages]
    answer: str | None
    result: Json


class Context(TypedDict, total=False):
    """Optional runtime context: config values by dotted key that hold for this run alone.

    A context of any other shape, such as a parent graph's own, is ignored.
    """

    a2r: Json


def add_samples(old: list[Json], new: list[Json] | None) -> list[Json]:
    """The reducer of `samples`: by index, later over earlier; `None` begins anew."""
    if new is None:
        return []
    by_index = {sample["index"]: sample for sample in [*old, *new]}
    return [by_index[index] for index in sorted(by_index)]


class State(TypedDict, total=False):
    """Everything a flow keeps. `question` is consumed by `prepare`; a second one starts clean."""

    question: str | None
    messages: Annotated[list[AnyMessage], add_messages]
    task: Task
    samples: Annotated[list[Json], add_samples]
    clusters: list[Json]
    gate: Json | None
    synthesis: list[Json]
    answer: str | None
    result: Json


def samples_of(state: State) -> list[Sample]:
    """The samples so far, in order of their index."""
    return [Sample.model_validate(sample) for sample in state["samples"]]


def synthesis_of(state: State) -> list[Synthesis]:
    """The synthesizer's attempts, in order."""
    return [Synthesis.model_validate(attempt) for attempt in state["synthesis"]]


def next_wave(state: State) -> list[SampleTask]:
    """The tasks of the wave after the samples so far; none if all waves are used."""
    done = len(state["samples"])
    start = 0
    for wave, size in enumerate(state["task"]["waves"]):
        if start == done:
            return [
                SampleTask(task=state["task"], index=index, wave=wave)
                for index in range(start, start + size)
            ]
        start += size
    return []


def overrides_of(context: object) -> Json | None:
    """The overrides in a runtime context, or `None` if the context is not ours."""
    overrides = context.get("a2r") if isinstance(context, Mapping) else None
    return dict(overrides) if isinstance(overrides, Mapping) and overrides else None
