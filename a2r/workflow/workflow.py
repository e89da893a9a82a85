"""What a graph file stands on: the flow that binds nodes to a config and its models."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from inspect import iscoroutinefunction
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.config import get_config
from langgraph.runtime import get_runtime

from a2r._internal.gc_tuning import collect_less_often
from a2r._internal.lru_cache import Kept
from a2r._internal.sync_bridge import run_blocking
from a2r._internal.task_isolation import Sink
from a2r.config import Config, LoadedConfig, default_config_name, load_config
from a2r.errors import ConfigError
from a2r.events import AnyEvent, as_json
from a2r.gates import Gate, gate_of
from a2r.inference.client import ModelPool
from a2r.inference.run_tracker import Question
from a2r.serving.embedded import Engine, ModelStore
from a2r.serving.embedded.model_store import default_folder
from a2r.workflow.budget import Permit, Spend, TimeLeft, time_left
from a2r.workflow.state import overrides_of

WATCH = "a2r_watch"
SINK = "a2r_sink"
REQUEST_ID = "a2r_request_id"
SENDABLE = re.compile(r"[!-~]{1,200}")
KEPT_OVERRIDES = 256
# A schema takes a hundred times the room of its text, once it is read.
ROOM_OF_OVERRIDES = 1 << 20
Update = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """What a node works with: the effective config, the models, and a place to tell events.

    `watched` says that somebody follows the run, so that replies are worth streaming; `sink` takes
    the events where it is `A2R.astream`; `request_id` is the caller's own name for the run.
    """

    config_name: str
    config: Config
    models: ModelPool
    gate: Gate
    write: Callable[[Any], None]
    watched: bool = False
    sink: Sink[AnyEvent] | None = None
    request_id: str | None = None

    def call_id(self, run_id: str, call: str) -> str:
        """What a call of a run, such as `sample-3`, is called at the endpoint."""
        # A caller may run several questions under one name.
        name = run_id if self.request_id is None else f"{self.request_id}-{run_id[:8]}"
        return f"{name}-{call}"

    def question(self, run_id: str, before: Mapping[str, Any] | None = None) -> Question:
        """What this process knows of a question; `before` is what was spent on it in others."""
        return self.models.questions.take_up(run_id, before)

    def time_left(self, run_id: str) -> TimeLeft:
        """The time that a question may still take, of its deadline and its budgets."""
        return time_left(
            self.question(run_id),
            self.models.questions,
            self.config.budget,
            self.config.deadline.question,
        )

    def permit(self, spend: Spend, run_id: str, number: int) -> Permit:
        """What allows the requests of a sample or synthesis, while the budgets last."""
        return Permit(
            spend=spend,
            number=number,
            budget=self.config.budget,
            question=self.question(run_id),
            questions=self.models.questions,
            ledger=self.models.spent,
        )

    def emit(self, event: AnyEvent) -> None:
        """Tell an event to whoever follows the run: through its sink, or LangGraph's stream."""
        if self.sink is not None:
            self.sink.tell(event)
        else:
            self.write(as_json(event))


Node = Callable[..., Coroutine[Any, Any, Update]]


def _kept_overrides() -> Kept[Flow]:
    return Kept(most=KEPT_OVERRIDES, room=ROOM_OF_OVERRIDES, weigh=len)


@dataclass(frozen=True, kw_only=True)
class Flow:
    """A loaded config and its models, to which a graph file binds its nodes."""

    loaded: LoadedConfig
    models: ModelPool
    gate: Gate
    _overridden: Kept[Flow] = field(default_factory=_kept_overrides, repr=False)

    @classmethod
    def of(cls, loaded: LoadedConfig, store: ModelStore | None = None) -> Flow:
        """A flow of a loaded config, with models of its own."""
        collect_less_often()
        engine = Engine(loaded.config.engine, store or ModelStore(folder=default_folder()))
        return cls(
            loaded=loaded,
            models=ModelPool(config=loaded.config, engine=engine),
            gate=gate_of(loaded.config.gate, loaded.folder),
        )

    @classmethod
    def default(cls) -> Flow:
        """The flow of the config that `A2R_CONFIG` names (`local` without it)."""
        return cls.of(load_config(default_config_name()))

    def step(self, node: Node, **options: Any) -> Step:
        """A node bound to this flow and its options, as a LangGraph node, async and sync.

        Raises:
            ConfigError: the node is no async function.
        """
        if not iscoroutinefunction(node):
            name = getattr(node, "__name__", node)
            raise ConfigError(f"node {name}: a node is an async function (async def {name}…)")
        return Step(self, node, options)

    def runtime(self) -> Runtime:
        """What a node works with in the task that runs now."""
        runtime = get_runtime()
        flow = self._in_context(overrides_of(runtime.context))
        told = get_config().get("configurable", {})
        # The sink may be that of a flow one of whose nodes runs this one.
        owner, sink = told.get(SINK) or (None, None)
        sink = sink if owner is self else None
        return Runtime(
            config_name=flow.loaded.name,
            config=flow.loaded.config,
            models=flow.models,
            gate=flow.gate,
            write=runtime.stream_writer,
            watched=sink is not None or bool(told.get(WATCH)),
            sink=sink,
            request_id=_sendable(told.get(REQUEST_ID)),
        )

    async def read_context(self) -> None:
        """Read the overrides of the task that runs now, in a thread where they are new.

        One of them may be a schema, which takes its time.

        Raises:
            ConfigError: an unknown key or a value that does not fit.
        """
        overrides = overrides_of(get_runtime().context)
        key = _key(overrides)
        if overrides and (key is None or not self._overridden.holds(key)):
            await asyncio.to_thread(self.override, overrides)

    def override(self, overrides: Mapping[str, Any] | None) -> Flow:
        """This flow with values over its config's, by dotted key; its models are shared.

        Raises:
            ConfigError: an unknown key or a value that does not fit.
        """
        if not overrides:
            return self
        # Every node of every sample asks; reading a config takes longer than most nodes.
        key = _key(overrides)
        if key is None:
            return self._override(self.loaded.override(overrides))
        return self._overridden.get(key, lambda: self._override(self.loaded.override(overrides)))

    def _in_context(self, overrides: Mapping[str, Any] | None) -> Flow:
        flow = self.override(overrides)
        if flow.loaded.config.graph != self.loaded.config.graph:
            raise ConfigError("the context cannot change the graph that runs: build another one")
        return flow

    def _override(self, loaded: LoadedConfig) -> Flow:
        same = loaded.config.gate == self.loaded.config.gate
        return Flow(
            loaded=loaded,
            models=replace(self.models, config=loaded.config),
            gate=self.gate if same else gate_of(loaded.config.gate, loaded.folder),
        )


def _key(overrides: Mapping[str, Any] | None) -> str | None:
    """What overrides are kept under; `None` where they are no JSON."""
    try:
        return json.dumps(overrides, sort_keys=True)
    except (TypeError, ValueError, RecursionError):
        return None


def _sendable(name: object) -> str | None:
    """The caller's own name, if a header can carry it."""
    return name if isinstance(name, str) and SENDABLE.fullmatch(name) else None


class Step(Runnable[Any, Update]):
    """A node bound to a flow.

    LangGraph opens a run for the callbacks around every node by itself; the second one that a
    `RunnableLambda` opens inside it would cost as much as the node's own work.
    """

    def __init__(self, flow: Flow, node: Node, options: Mapping[str, Any]) -> None:
        self._flow = flow
        self._node = node
        self._options = options
        self.name = getattr(node, "__name__", "node")

    def invoke(self, input: Any, config: RunnableConfig | None = None, **_: Any) -> Update:
        """Run the node to its end."""
        return run_blocking(lambda: self.ainvoke(input))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **_: Any) -> Update:
        """Run the node."""
        questions = self._flow.models.questions
        questions.enter(_run_id(input))
        try:
            await self._flow.read_context()
            update = await self._node(input, self._flow.runtime(), **self._options)
        finally:
            questions.leave(_run_id(input))
        # `prepare` has begun one.
        questions.leave(_run_id(update))
        return update


def _run_id(data: Any) -> str | None:
    """The run that a state, a task or an update is of."""
    task = data.get("task") if isinstance(data, Mapping) else None
    return task.get("run_id") if isinstance(task, Mapping) else None
