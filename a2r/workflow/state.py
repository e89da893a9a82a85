"""The state of a graph: JSON values and chat messages only, for any checkpointer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NotRequired, TypeVar

from langchain_core.messages import AnyMessage
from langgraph.graph.message import add_messages

# pydantic reads `typing.TypedDict` only from Python 3.12 on.
from typing_extensions import TypedDict

from a2r.answers import Kind, infer_kind
from a2r.errors import QuestionError
from a2r.inference.types import ChatMessage
from a2r.result import Role
from a2r.usage import Usage, total
from a2r.workflow.chat_messages import message_text, validate_question

Json = dict[str, Any]
T = TypeVar("T")
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
    since the epoch. `message_id` is the ID of the message with the question; runs that were stored
    earlier have none.
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
    message_id: NotRequired[str | None]


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


def last_value(_: T, new: T) -> T:
    """The reducer of a channel that several tasks write at once: one of their values."""
    return new


class State(TypedDict, total=False):
    """The channels of a graph; `prepare` takes `question` and resets the rest.

    After `prepare`, `question` is one that `update_state` has changed, until it takes effect;
    `asked_question` is the one that the last calls to models read. `gate` is the last of the gate's
    `decisions`; `references` and `round` belong to the next syntheses and are set by `pack`;
    `warnings` of the nodes end up in the result.
    """

    question: str | None
    messages: Annotated[list[AnyMessage], add_messages]
    asked_question: Annotated[str | None, last_value]
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


def usage_so_far(state: State) -> Json:
    """The usage of all samples and syntheses in the state."""
    parts = [*state["samples"], *state["synthesis"]]
    return total(Usage.model_validate(part["usage"]) for part in parts).model_dump(mode="json")


def changed_question(state: State) -> str | None:
    """The changed question that has not taken effect yet, or `None`.

    It is the value of `question`, or the new text of the message that had the question.

    Raises:
        QuestionError: it is empty or not text.
    """
    task = state["task"]
    text: object = state.get("question")
    if text is None:
        name = task.get("message_id")
        found = (m for m in state.get("messages") or [] if name is not None and m.id == name)
        message = next(found, None)
        text = task["question"] if message is None else message_text(message)
    return None if text == task["question"] else validate_question(text)


def next_task(state: State) -> Task:
    """The task that the next calls to models get.

    Raises:
        QuestionError: the changed question is empty or not text.
    """
    changed = changed_question(state)
    return state["task"] if changed is None else with_question(state["task"], changed)


def wave_task(state: State) -> Task:
    """The task of the samples of the next wave.

    Raises:
        QuestionError: the question was changed after the first wave.
    """
    task = next_task(state)
    if state["samples"] and task is not state["task"]:
        raise QuestionError(
            f"the question was changed after {len(state['samples'])} samples, which answer the "
            "earlier one, and before further samples: ask it as a new question, or change it at "
            "an interrupt before pack"
        )
    return task


def current_task(state: State) -> Task:
    """The task of the work that is done: with the changed question only if models have read it."""
    changed = changed_question(state)
    if changed is None or state.get("asked_question") != changed:
        return state["task"]
    return with_question(state["task"], changed)


def with_question(task: Task, question: str) -> Task:
    """The task with another question; its kind is inferred again, unless samples have fixed it."""
    kind = infer_kind(question) if task["kind"] == "auto" else task["asked_kind"]
    return {**task, "question": question, "asked_kind": kind}


def next_wave(state: State) -> list[SampleTask]:
    """The tasks of the next wave; none after the last one.

    The gate may make a wave larger or smaller than planned.

    Raises:
        QuestionError: the question was changed after the first wave.
    """
    task, samples = wave_task(state), state["samples"]
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


def next_round(state: State) -> list[SynthesisTask]:
    """The tasks of the round of syntheses that `pack` prepared."""
    task, spent = next_task(state), usage_so_far(state)
    return [
        SynthesisTask(
            task=task,
            index=index,
            round=state["round"],
            references=state["references"],
            spent=spent,
        )
        for index in range(task["rounds"][state["round"]])
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
