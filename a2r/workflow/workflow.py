"""What a graph file stands on: the flow that binds nodes to a config and its models."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from inspect import iscoroutinefunction
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.config import get_config
from langgraph.graph import StateGraph
from langgraph.runtime import get_runtime

from a2r._internal.gc_tuning import relax_gc
from a2r._internal.lru_cache import LRUCache
from a2r._internal.request_ids import valid_request_id
from a2r._internal.sync_bridge import run_sync
from a2r._internal.task_isolation import EventSink
from a2r.config import Config, LoadedConfig, default_config_name, load_config
from a2r.errors import ConfigError
from a2r.events import AnyEvent, event_to_json
from a2r.gates import Gate, build_gate
from a2r.inference.client import InferenceClient
from a2r.inference.run_tracker import RunState
from a2r.serving.embedded import Engine, ModelStore
from a2r.serving.embedded.model_store import default_model_folder
from a2r.workflow.budget import BudgetGuard, Spend, TimeLeft, time_left
from a2r.workflow.state import context_overrides

STREAM_KEY = "a2r_watch"
SINK_KEY = "a2r_sink"
REQUEST_ID_KEY = "a2r_request_id"
MAX_CACHED_OVERRIDES = 256
# A schema takes a hundred times the room of its text, once it is read.
MAX_CACHED_OVERRIDES_CHARACTERS = 1 << 20
Update = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class NodeRuntime:
    """What a node works with: the effective config, the models, and a place to tell events.

    `watched` says that somebody follows the run, so that replies are worth streaming; `sink` takes
    the events where it is `A2R.astream`; `request_id` is the caller's own name for the run.
    """

    config_name: str
    config: Config
    models: InferenceClient
    gate: Gate
    write: Callable[[Any], None]
    streaming: bool = False
    sink: EventSink[AnyEvent] | None = None
    request_id: str | None = None

    def request_id_for(self, run_id: str, call: str) -> str:
        """What a call of a run, such as `sample-3`, is called at the endpoint."""
        # A caller may run several questions under one name.
        name = run_id if self.request_id is None else f"{self.request_id}-{run_id[:8]}"
        return f"{name}-{call}"

    def run_state(self, run_id: str, before: Mapping[str, Any] | None = None) -> RunState:
        """What this process knows of a question; `before` is what was spent on it in others."""
        return self.models.runs.get_or_start(run_id, before)

    def time_left(self, run_id: str) -> TimeLeft:
        """The time that a question may still take, of its deadline and its budgets."""
        return time_left(
            self.run_state(run_id),
            self.models.runs,
            self.config.budget,
            self.config.deadline.question,
        )

    def budget_guard(self, spend: Spend, run_id: str, number: int) -> BudgetGuard:
        """What allows the requests of a sample or synthesis, while the budgets last."""
        return BudgetGuard(
            spend=spend,
            number=number,
            budget=self.config.budget,
            question=self.run_state(run_id),
            questions=self.models.runs,
            ledger=self.models.ledger,
        )

    def emit(self, event: AnyEvent) -> None:
        """Tell an event to whoever follows the run: through its sink, or LangGraph's stream."""
        if self.sink is not None:
            self.sink.put(event)
        else:
            self.write(event_to_json(event))


Node = Callable[..., Coroutine[Any, Any, Update]]


def _overrides_cache() -> LRUCache[Workflow]:
    return LRUCache(
        max_items=MAX_CACHED_OVERRIDES, max_weight=MAX_CACHED_OVERRIDES_CHARACTERS, getsizeof=len
    )


@dataclass(frozen=True, kw_only=True)
class Workflow:
    """A loaded config and its models, to which a graph file binds its nodes."""

    loaded: LoadedConfig
    models: InferenceClient
    gate: Gate
    _overridden: LRUCache[Workflow] = field(default_factory=_overrides_cache, repr=False)

    @classmethod
    def from_config(cls, loaded: LoadedConfig, store: ModelStore | None = None) -> Workflow:
        """A flow of a loaded config, with models of its own."""
        relax_gc()
        engine = Engine(loaded.config.engine, store or ModelStore(folder=default_model_folder()))
        return cls(
            loaded=loaded,
            models=InferenceClient(config=loaded.config, engine=engine),
            gate=build_gate(loaded.config.gate, loaded.folder),
        )

    @classmethod
    def default(cls) -> Workflow:
        """The flow of the config that `A2R_CONFIG` names (`local` without it)."""
        return cls.from_config(load_config(default_config_name()))

    def node(self, node: Node, **options: Any) -> BoundNode:
        """A node bound to this flow and its options, as a LangGraph node, async and sync.

        Raises:
            ConfigError: the node is no async function.
        """
        if not iscoroutinefunction(node):
            name = getattr(node, "__name__", node)
            raise ConfigError(f"node {name}: a node is an async function (async def {name}…)")
        return BoundNode(self, node, options)

    def add_nodes(self, graph: StateGraph[Any, Any, Any, Any], *nodes: Node) -> None:
        """Add nodes to a graph, each under its function's name.

        Raises:
            ConfigError: one of them is no async function.
        """
        for node in nodes:
            graph.add_node(node.__name__, self.node(node))

    def runtime(self) -> NodeRuntime:
        """What a node works with in the task that runs now."""
        runtime = get_runtime()
        flow = self._for_context(context_overrides(runtime.context))
        told = get_config().get("configurable", {})
        # The sink may be that of a flow one of whose nodes runs this one.
        owner, sink = told.get(SINK_KEY) or (None, None)
        sink = sink if owner is self else None
        return NodeRuntime(
            config_name=flow.loaded.name,
            config=flow.loaded.config,
            models=flow.models,
            gate=flow.gate,
            write=runtime.stream_writer,
            streaming=sink is not None or bool(told.get(STREAM_KEY)),
            sink=sink,
            request_id=valid_request_id(told.get(REQUEST_ID_KEY)),
        )

    async def read_context(self) -> None:
        """Read the overrides of the task that runs now, in a thread where they are new.

        One of them may be a schema, which takes its time.

        Raises:
            ConfigError: an unknown key or a value that does not fit.
        """
        overrides = context_overrides(get_runtime().context)
        key = _cache_key(overrides)
        if overrides and (key is None or not self._overridden.contains(key)):
            await asyncio.to_thread(self.override, overrides)

    def override(self, overrides: Mapping[str, Any] | None) -> Workflow:
        """This flow with values over its config's, by dotted key; its models are shared.

        Raises:
            ConfigError: an unknown key or a value that does not fit.
        """
        if not overrides:
            return self
        # Every node of every sample asks; reading a config takes longer than most nodes.
        key = _cache_key(overrides)
        if key is None:
            return self._with_config(self.loaded.override(overrides))
        return self._overridden.get(key, lambda: self._with_config(self.loaded.override(overrides)))

    def _for_context(self, overrides: Mapping[str, Any] | None) -> Workflow:
        flow = self.override(overrides)
        if flow.loaded.config.graph != self.loaded.config.graph:
            raise ConfigError("the context cannot change the graph that runs: build another one")
        return flow

    def _with_config(self, loaded: LoadedConfig) -> Workflow:
        same = loaded.config.gate == self.loaded.config.gate
        return Workflow(
            loaded=loaded,
            models=replace(self.models, config=loaded.config),
            gate=self.gate if same else build_gate(loaded.config.gate, loaded.folder),
        )


def _cache_key(overrides: Mapping[str, Any] | None) -> str | None:
    """What overrides are kept under; `None` where they are no JSON."""
    try:
        return json.dumps(overrides, sort_keys=True)
    except (TypeError, ValueError, RecursionError):
        return None


class BoundNode(Runnable[Any, Update]):
    """A node bound to a flow.

    LangGraph opens a run for the callbacks around every node by itself; the second one that a
    `RunnableLambda` opens inside it would cost as much as the node's own work.
    """

    def __init__(self, flow: Workflow, node: Node, options: Mapping[str, Any]) -> None:
        self._workflow = flow
        self._node = node
        self._options = options
        self.name = getattr(node, "__name__", "node")

    def invoke(self, input: Any, config: RunnableConfig | None = None, **_: Any) -> Update:
        """Run the node to its end."""
        return run_sync(lambda: self.ainvoke(input))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **_: Any) -> Update:
        """Run the node."""
        questions = self._workflow.models.runs
        questions.node_started(_run_id(input))
        try:
            await self._workflow.read_context()
            update = await self._node(input, self._workflow.runtime(), **self._options)
        finally:
            questions.node_finished(_run_id(input))
        # `prepare` has begun one.
        questions.node_finished(_run_id(update))
        return update


def _run_id(data: Any) -> str | None:
    """The run that a state, a task or an update is of."""
    task = data.get("task") if isinstance(data, Mapping) else None
    return task.get("run_id") if isinstance(task, Mapping) else None
