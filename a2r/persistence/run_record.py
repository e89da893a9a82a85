"""A stored run, read from a LangGraph `StateSnapshot`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from langgraph.graph import START
from langgraph.types import PregelTask, StateSnapshot

from a2r.persistence.snapshots import FIRST_NODE, GRAPH_KEY, SHIPPED_NODES, all_nodes_known
from a2r.result import Result, Sample, Synthesis
from a2r.usage import Usage, add_known, total
from a2r.workflow.state import add_notes, add_samples, add_synthesis

Json = dict[str, Any]
RunState = Literal["finished", "unfinished", "failed", "abandoned"]

# In the metadata of every checkpoint of a run.
CONFIG_KEY = "a2r_config"

REDUCERS: Mapping[str, Callable[[Any, Any], Any]] = {
    "samples": add_samples,
    "synthesis": add_synthesis,
    "decisions": add_notes,
    "warnings": add_notes,
}


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run in a store.

    Attributes:
        thread: the ID of its thread.
        run_id: its ID; `None` until the node `prepare` has finished.
        question: the question; empty where it is the last of several chat messages and `prepare`
            has not finished.
        has_no_history: whether no chat messages precede the question.
        started_at: seconds since the epoch.
        state: `abandoned` is an unfinished run whose thread has a later run.
        next: the nodes that a resumed run executes first; `explore x3` are three tasks.
        error: the error that made the run fail.
        graph: the name of its graph, if the store has it.
        config: the name of its config, if the store has it.
        samples: the committed samples.
        syntheses: the committed syntheses.
        result: the result of a finished run.
        values: its state by channel, including what the tasks of an incomplete step committed.
    """

    thread: str
    run_id: str | None
    question: str
    has_no_history: bool
    started_at: float
    state: RunState
    next: tuple[str, ...]
    error: str | None
    graph: str | None
    config: str | None
    samples: tuple[Sample, ...]
    syntheses: tuple[Synthesis, ...]
    result: Result | None
    values: Json

    @property
    def usage(self) -> Usage:
        """The usage of the committed samples and syntheses."""
        return total(attempt.usage for attempt in [*self.samples, *self.syntheses])

    def matches(self, question: str) -> bool:
        """Whether the run is of this question alone, without a chat before it."""
        return self.has_no_history and self.question == question

    def summary(self) -> Json:
        """The run as `a2r runs --json` prints it."""
        usage = self.usage
        return {
            "thread": self.thread,
            "run_id": self.run_id,
            "started_at": self.started_at,
            "state": self.state,
            "next": list(self.next),
            "question": self.question,
            "samples": len(self.samples),
            "syntheses": len(self.syntheses),
            "method": self.result.method if self.result else None,
            "answer": self.result.answer if self.result else None,
            "tokens": add_known(usage.prompt_tokens, usage.completion_tokens),
            "graph": self.graph,
            "config": self.config,
            "error": self.error,
        }


def parse_run(snapshot: StateSnapshot, *, is_last: bool = True) -> Run | None:
    """The run whose last checkpoint is in a snapshot; `None` if another application stored it.

    Args:
        snapshot: the snapshot of the last checkpoint, read by its ID or from the state history:
            its values are those at the beginning of the step.
        is_last: whether it is the last run of its thread, and so can be resumed.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: the snapshot has an unknown format.
    """
    metadata = dict[str, Any](snapshot.metadata or {})
    state = _add_results(snapshot)
    is_prepared = not _waits_for_prepare(snapshot)
    # Before `prepare` has finished, the other channels hold the previous question of the thread.
    values = state if is_prepared else {}
    task = values.get("task") or {}
    is_known = isinstance(task, Mapping) and "run_id" in task and "started_at" in task
    if not is_known and (is_prepared or GRAPH_KEY not in metadata):
        return None
    stored_result = values.get("result") if not snapshot.tasks else None
    error = _error(snapshot, has_result=bool(stored_result))
    run_state: RunState = "unfinished" if is_last else "abandoned"
    if stored_result or error is not None:
        run_state = "finished" if stored_result else "failed"
    created_at = datetime.fromisoformat(snapshot.created_at or "").timestamp()
    return Run(
        thread=snapshot.config["configurable"]["thread_id"],
        run_id=task.get("run_id"),
        question=task.get("question") or (not is_prepared and state.get("question")) or "",
        has_no_history=not task.get("history"),
        started_at=task.get("started_at", created_at),
        state=run_state,
        next=_next_nodes(snapshot.tasks),
        error=error,
        graph=metadata.get(GRAPH_KEY),
        config=metadata.get(CONFIG_KEY),
        samples=tuple(map(Sample.model_validate, values.get("samples") or [])),
        syntheses=tuple(map(Synthesis.model_validate, values.get("synthesis") or [])),
        result=Result.model_validate(stored_result) if stored_result else None,
        values=values,
    )


def _add_results(snapshot: StateSnapshot) -> Json:
    """The snapshot's values and the results of the tasks that finished in an incomplete step."""
    values = dict(snapshot.values)
    for task in snapshot.tasks:
        for channel, value in (task.result or {}).items():
            reducer = REDUCERS.get(channel)
            values[channel] = reducer(values.get(channel) or [], value) if reducer else value
    return values


def _waits_for_prepare(snapshot: StateSnapshot) -> bool:
    if any("task" in (task.result or {}) for task in snapshot.tasks):
        return False
    names = {task.name for task in snapshot.tasks}
    if names & {START, FIRST_NODE}:
        return True
    # `prepare` empties the channel `question`; later, `update_state` may set it.
    is_changed = (snapshot.metadata or {}).get("source") == "update" or (
        names and names <= SHIPPED_NODES
    )
    return snapshot.values.get("question") is not None and not is_changed


def _next_nodes(tasks: Sequence[PregelTask]) -> tuple[str, ...]:
    """The nodes that a resumed run executes first, those of a fan-out with their number."""
    # A step whose tasks have all finished has still to be committed.
    unfinished = [task for task in tasks if task.result is None]
    if not unfinished:
        return tuple(dict.fromkeys(_node_name(task) for task in tasks))
    nodes = [_node_name(task) for task in unfinished if not _is_fan_out(task)]
    counts = Counter(task.name for task in unfinished if _is_fan_out(task))
    return (*nodes, *(f"{node} x{count}" for node, count in counts.items()))


def _node_name(task: PregelTask) -> str:
    # LangGraph's start node only copies the input to the channels.
    return FIRST_NODE if task.name == START else task.name


def _is_fan_out(task: PregelTask) -> bool:
    """Whether a `Send` created the task: its path has the number of the `Send`."""
    return any(isinstance(part, int) for part in task.path)


def _error(snapshot: StateSnapshot, *, has_result: bool) -> str | None:
    """The error of a node that has not run again since; a cancelled node is no error."""
    errors = [
        str(task.error) for task in snapshot.tasks if task.error is not None and task.result is None
    ]
    if not snapshot.tasks and not has_result and all_nodes_known(snapshot):
        errors.append("it ended without a result")
    return next((error for error in errors if not error.startswith("CancelledError")), None)
