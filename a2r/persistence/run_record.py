"""One run as a store holds it, read from a checkpoint and the writes that came after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from langgraph.checkpoint.base import CheckpointTuple
from langgraph.types import Send

from a2r.result import Result, Sample, Synthesis
from a2r.usage import Usage, add_known, total
from a2r.workflow.state import add_notes, add_samples, add_synthesis

Json = dict[str, Any]
RunState = Literal["finished", "unfinished", "failed", "abandoned"]

# In the metadata of every checkpoint of a run: with what it was begun.
GRAPH_KEY = "a2r_graph"
CONFIG_KEY = "a2r_config"

# How LangGraph names what is not ours.
START = "__start__"
TASKS = "__pregel_tasks"
ERROR = "__error__"
BRANCH = "branch:to:"
FIRST_NODE = "prepare"

REDUCERS: Mapping[str, Callable[[Any, Any], Any]] = {
    "samples": add_samples,
    "synthesis": add_synthesis,
    "decisions": add_notes,
    "warnings": add_notes,
}
STORED_CHANNELS = ("task", "clusters", "gate", "references", "round", "answer", "result", *REDUCERS)


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run in a store.

    `run_id` is `None` until the question was taken up; `started_at` is in seconds since the
    epoch; `next` names the nodes that are left to run; `abandoned` is a run on whose thread
    another question was asked before it had finished; `error` is what made it fail; `samples` and
    `syntheses` are those that are committed; `result` is there once it has finished; `values` is
    its state, what was committed after the last checkpoint included.
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
        """What the committed samples and syntheses cost."""
        return total(attempt.usage for attempt in [*self.samples, *self.syntheses])

    def matches(self, question: str) -> bool:
        """Whether this very question was asked, without a chat before it."""
        return self.has_no_history and self.question == question

    def summary(self) -> Json:
        """What `a2r runs --json` prints of it."""
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


def parse_run(saved: CheckpointTuple, *, is_last: bool = True) -> Run | None:
    """The run that a checkpoint belongs to; `None` if it is of somebody else's graph.

    Args:
        saved: the last checkpoint of the run.
        is_last: whether it is the last run of its thread, and so could go on.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: it is not as this version writes it.
    """
    channels, metadata = saved.checkpoint["channel_values"], dict[str, Any](saved.metadata)
    writes = saved.pending_writes or []
    written = {channel for _, channel, _ in writes}
    # Until `prepare` is through, the state is still that of the question before.
    waits = "task" not in written and (
        START in channels
        or channels.get("question") is not None
        or f"{BRANCH}{FIRST_NODE}" in channels
    )
    values = {} if waits else _apply_writes(channels, writes)
    task = values.get("task") or {}
    known = isinstance(task, Mapping) and "run_id" in task and "started_at" in task
    if not known and not (waits and GRAPH_KEY in metadata):
        return None
    asked = channels.get(START) or channels
    nodes = _nodes(channels, values, written)
    ended = values.get("result") if not nodes else None
    error = _error(writes) if nodes or ended else "it ended without a result"
    state: RunState = "unfinished" if is_last else "abandoned"
    if ended or error is not None:
        state = "finished" if ended else "failed"
    when = datetime.fromisoformat(saved.checkpoint["ts"]).timestamp()
    return Run(
        thread=saved.config["configurable"]["thread_id"],
        run_id=task.get("run_id"),
        question=task.get("question") or (isinstance(asked, dict) and asked.get("question")) or "",
        has_no_history=not task.get("history"),
        started_at=task.get("started_at", when),
        state=state,
        next=nodes,
        error=error,
        graph=metadata.get(GRAPH_KEY),
        config=metadata.get(CONFIG_KEY),
        samples=tuple(map(Sample.model_validate, values.get("samples") or [])),
        syntheses=tuple(map(Synthesis.model_validate, values.get("synthesis") or [])),
        result=Result.model_validate(ended) if ended else None,
        values=values,
    )


def _apply_writes(channels: Mapping[str, Any], writes: list[Any]) -> Json:
    values = {name: channels[name] for name in STORED_CHANNELS if name in channels}
    for _, channel, value in writes:
        if channel in REDUCERS:
            values[channel] = REDUCERS[channel](values.get(channel) or [], value)
        elif channel in STORED_CHANNELS:
            values[channel] = value
    return values


def _nodes(channels: Mapping[str, Any], values: Json, written: set[str]) -> tuple[str, ...]:
    """The nodes that a resumed run would run first, those of a fan-out with their number."""
    if START in channels:
        return (FIRST_NODE,)
    names = [name.removeprefix(BRANCH) for name in channels if name.startswith(BRANCH)]
    sends = [send for send in channels.get(TASKS) or [] if isinstance(send, Send)]
    done = {("samples", 0, one["index"]) for one in values.get("samples") or []}
    done |= {("synthesis", one["round"], one["index"]) for one in values.get("synthesis") or []}
    left = Counter(send.node for send in sends if _task_index(send.arg) not in done)
    if sends and not left:
        # All of a fan-out is committed, but not joined yet.
        names += sorted(name.removeprefix(BRANCH) for name in written if name.startswith(BRANCH))
    return (*names, *(f"{node} x{count}" for node, count in left.items()))


def _task_index(sent: Any) -> tuple[str, int, int] | None:
    """Where what a task was sent to make belongs: the channel, the round, the index."""
    if not isinstance(sent, Mapping) or "index" not in sent:
        return None
    if "round" in sent:
        return "synthesis", sent["round"], sent["index"]
    return "samples", 0, sent["index"]


def _error(writes: list[Any]) -> str | None:
    """What made a node fail that has not run again since; a cancelled one can just go on."""
    done = {task for task, channel, _ in writes if channel != ERROR}
    errors = [
        str(value) for task, channel, value in writes if channel == ERROR and task not in done
    ]
    return next((error for error in errors if not error.startswith("CancelledError")), None)
