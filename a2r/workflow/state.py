"""The state of a graph: JSON values and chat messages only, for any checkpointer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from langchain_core.messages import AnyMessage
from langgraph.graph.message import add_messages

# pydantic reads `typing.TypedDict` only from Python 3.12 on.
from typing_extensions import TypedDict

from a2r.answers import Kind
from a2r.inference.types import ChatMessage
from a2r.result import Role
from a2r.usage import Usage, total

Json = dict[str, Any]
# Runs that were stored earlier call the extraction method `how`.
VOTE_FIELDS = ("index", "status", "answer", "extraction_method", "how", "wave", "role")


class Wave(TypedDict):
    """A wave of the plan: the role that draws its samples, and their number."""

    role: Role
    size: int


class Task(TypedDict):
    """The question of a run and its plan: written by `prepare`, its kind fixed by `extract`.

    `asked_kind` is the kind that the explorer's prompt names, `kind` the one that is extracted.
    `waves` are the waves that may be started; `cut` says that a budget allows fewer than the
    config plans. `rounds` are the numbers of syntheses of each round. `started_at` is in seconds
    since the epoch.
    """

    run_id: str
    question: str
    history: list[ChatMessage]
    asked_kind: Kind
    kind: Kind
    waves: list[Wave]
    cut: bool
    rounds: list[int]
    started_at: float


class SampleTask(TypedDict):
    """The input of one `explore` task.

    `earlier` are the samples of earlier waves, each text cut to its first character; `spent` is
    the usage so far; `size` is the number of samples of the wave.
    """

    task: Task
    index: int
    wave: int
    role: Role
    size: int
    earlier: list[Json]
    spent: Json


class SynthesisTask(TypedDict):
    """The input of one `synthesize` or `select` task."""

    task: Task
    index: int
    round: int
    references: list[Json]
    spent: Json


class Input(TypedDict, total=False):
    """The input of a graph: a question, or chat messages of which the last is the question."""

    question: str | None
    messages: list[AnyMessage]


class Output(TypedDict, total=False):
    """The output of a graph: the result, its answer, and the messages with the solution added."""

    messages: Annotated[list[AnyMessage], add_messages]
    answer: str | None
    result: Json


class Context(TypedDict, total=False):
    """Optional runtime context: config values by dotted key for this run only.

    A context of any other shape, such as a parent graph's, is ignored.
    """

    a2r: Json


def add_samples(old: list[Json], new: list[Json] | None) -> list[Json]:
    """The reducer of `samples`: by index, the later one wins; `None` resets it."""
    if new is None:
        return []
    by_index = {sample["index"]: sample for sample in [*old, *new]}
    return [by_index[index] for index in sorted(by_index)]


def add_synthesis(old: list[Json], new: list[Json] | None) -> list[Json]:
    """The reducer of `synthesis`: by round and index, the later one wins; `None` resets it."""
    if new is None:
        return []
    by_key = {(attempt["round"], attempt["index"]): attempt for attempt in [*old, *new]}
    return [by_key[key] for key in sorted(by_key)]


def add_notes(old: list[Any], new: list[Any] | None) -> list[Any]:
    """The reducer of lists that grow; `None` resets it."""
    return [] if new is None else [*old, *new]


class State(TypedDict, total=False):
    """The channels of a graph; `prepare` takes `question` and resets the rest.

    `gate` is the last of the gate's `decisions`; `references` and `round` belong to the next
    syntheses and are set by `pack`; `warnings` of the nodes end up in the result.
    """

    question: str | None
    messages: Annotated[list[AnyMessage], add_messages]
    task: Task
    samples: Annotated[list[Json], add_samples]
    clusters: list[Json]
    gate: Json | None
    decisions: Annotated[list[Json], add_notes]
    references: list[Json]
    round: int
    synthesis: Annotated[list[Json], add_synthesis]
    warnings: Annotated[list[str], add_notes]
    answer: str | None
    result: Json


def remaining_waves(task: Task, done: int) -> list[Wave]:
    """The waves of the plan that may still be started after `done` samples."""
    start = 0
    for position, wave in enumerate(task["waves"]):
        if start == done:
            return task["waves"][position:]
        start += wave["size"]
    return []


def next_wave(state: State) -> list[SampleTask]:
    """The tasks of the next wave; none after the last one.

    The gate may make a wave larger or smaller than planned.
    """
    task, samples = state["task"], state["samples"]
    left = remaining_waves(task, len(samples))
    if not left:
        return []
    size = (state["gate"] or {}).get("next") or left[0]["size"]
    earlier = [
        {key: sample[key] for key in VOTE_FIELDS if key in sample} | {"text": sample["text"][:1]}
        for sample in samples
    ]
    spent = usage_so_far(state)
    return [
        SampleTask(
            task=task,
            index=index,
            wave=samples[-1]["wave"] + 1 if samples else 0,
            role=left[0]["role"],
            size=size,
            earlier=earlier,
            spent=spent,
        )
        for index in range(len(samples), len(samples) + size)
    ]


def usage_so_far(state: State) -> Json:
    """The usage of all samples and syntheses in the state."""
    parts = [*state["samples"], *state["synthesis"]]
    return total(Usage.model_validate(part["usage"]) for part in parts).model_dump(mode="json")


def next_round(state: State) -> list[SynthesisTask]:
    """The tasks of the round of syntheses that `pack` prepared."""
    spent = usage_so_far(state)
    return [
        SynthesisTask(
            task=state["task"],
            index=index,
            round=state["round"],
            references=state["references"],
            spent=spent,
        )
        for index in range(state["task"]["rounds"][state["round"]])
    ]


def remaining_rounds(state: State) -> bool:
    """Whether another round of syntheses follows the one that `pack` prepared last."""
    return state["round"] + 1 < len(state["task"]["rounds"])


def context_overrides(context: object) -> Json | None:
    """The overrides in a runtime context, or `None` if the context holds none."""
    if context is None:
        return None
    overrides = context.get("a2r") if isinstance(context, Mapping) else None
    return dict(overrides) if isinstance(overrides, Mapping) and overrides else None
