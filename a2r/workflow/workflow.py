"""The workflow: a config and its models, to which a graph file binds its nodes."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from inspect import iscoroutinefunction
from typing import Any

from cachetools import LRUCache
from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.config import get_config
from langgraph.graph import StateGraph
from langgraph.runtime import get_runtime

from a2r._internal.argument_types import check_overrides
from a2r._internal.gc_tuning import relax_gc
from a2r._internal.request_ids import valid_request_id
from a2r._internal.sync_bridge import run_sync
from a2r.config import Config, LoadedConfig, default_config_name, load_config
from a2r.errors import ConfigError
from a2r.gates import Gate, build_gate
from a2r.inference.client import InferenceClient
from a2r.serving.embedded import Engine, ModelStore
from a2r.serving.embedded.model_store import default_model_folder
from a2r.workflow.runtime import (
    CLIENT_KEY,
    REPLIES_KEY,
    REQUEST_ID_KEY,
    SINK_KEY,
    STREAM_KEY,
    VALIDATED_KEY,
    NodeRuntime,
)
from a2r.workflow.state import context_overrides

MAX_CACHED_OVERRIDES = 256
# What the runtime of a run's nodes depends on, in the runnable config.
RUNTIME_KEYS = (SINK_KEY, STREAM_KEY, REQUEST_ID_KEY, CLIENT_KEY, REPLIES_KEY)
# A schema takes a hundred times the room of its text, once it is parsed.
MAX_CACHED_CHARACTERS = 1 << 20
Update = Mapping[str, Any]
Node = Callable[..., Coroutine[Any, Any, Update]]


@dataclass(frozen=True, kw_only=True)
class _CachedOverride:
    """A workflow with overrides, and the share of the cache that it takes, in characters."""

    workflow: Workflow
    size: int


@dataclass
class _OverrideCache:
    """Workflows by their overrides, the least recently used dropped first; safe across threads."""

    _cache: LRUCache[str, _CachedOverride] = field(
        default_factory=lambda: LRUCache(MAX_CACHED_CHARACTERS, getsizeof=lambda entry: entry.size)
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: str | None) -> Workflow | None:
        if key is None:
            return None
        with self._lock:
            entry = self._cache.get(key)
            return None if entry is None else entry.workflow

    def put(self, key: str | None, workflow: Workflow) -> Workflow:
        """The workflow in the cache, which another thread may have put there first."""
        size = max(len(key or ""), MAX_CACHED_CHARACTERS // MAX_CACHED_OVERRIDES)
        if key is None or size > MAX_CACHED_CHARACTERS:
            return workflow
        with self._lock:
            entry = _CachedOverride(workflow=workflow, size=size)
            return self._cache.setdefault(key, entry).workflow

    def __len__(self) -> int:
        return len(self._cache)


@dataclass(frozen=True, kw_only=True)
class Workflow:
    """A loaded config and its models, to which a graph file binds its nodes."""

    loaded: LoadedConfig
    models: InferenceClient
    gate: Gate
    _overridden: _OverrideCache = field(default_factory=_OverrideCache, repr=False)

    @classmethod
    def from_config(cls, loaded: LoadedConfig, store: ModelStore | None = None) -> Workflow:
        """A workflow of a loaded config, with models of its own."""
        relax_gc()
        engine = Engine(loaded.config.engine, store or ModelStore(folder=default_model_folder()))
        return cls(
            loaded=loaded,
            models=InferenceClient(config=loaded.config, engine=engine),
            gate=build_gate(loaded.config.gate, loaded.folder),
        )

    @classmethod
    def default(cls) -> Workflow:
        """The workflow of the config that `A2R_CONFIG` names (`local` without it)."""
        return cls.from_config(load_config(default_config_name()))

    @property
    def config(self) -> Config:
        """The validated config."""
        return self.loaded.config

    def node(self, node: Node, **options: Any) -> BoundNode:
        """A node bound to this workflow and its options, as a LangGraph node, async and sync.

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
            graph.add_node(getattr(node, "__name__", str(node)), self.node(node))

    def override(self, overrides: Mapping[str, Any] | None) -> Workflow:
        """This workflow with values over its config's, by dotted key; its models are shared.

        Raises:
            ConfigError: an unknown key or a value that does not fit.
        """
        values = check_overrides(overrides)
        if not values:
            return self
        key = _cache_key(values)
        cached = self._overridden.get(key)
        if cached is not None:
            return cached
        return self._overridden.put(key, self._with_config(self.loaded.override(values)))

    async def runtime(self, run_id: str | None) -> NodeRuntime:
        """The runtime of the task that runs now: one for each run and context.

        Raises:
            ConfigError: the context holds an unknown key, or a value that does not fit.
        """
        task = get_runtime()
        configurable = get_config().get("configurable", {})
        run = self.models.runs.get(run_id)
        if run is None:
            return await self._new_runtime(task.context, task.stream_writer, configurable)
        key = (
            self,
            task.context,
            task.stream_writer,
            *map(configurable.get, RUNTIME_KEYS),
        )
        cached: NodeRuntime | None = run.cached_runtime(key)
        if cached is None:
            cached = await self._new_runtime(task.context, task.stream_writer, configurable)
            run.cache_runtime(key, cached)
        return cached

    async def _new_runtime(
        self, context: object, write: Callable[[Any], None], configurable: Mapping[str, Any]
    ) -> NodeRuntime:
        workflow = await self._for_context(context_overrides(context))
        # The sink may be that of another workflow, one of whose nodes runs this one.
        owner, sink = configurable.get(SINK_KEY) or (None, None)
        sink = sink if owner is self else None
        return NodeRuntime(
            config_name=workflow.loaded.name,
            config=workflow.config,
            models=workflow.models.with_replies(configurable.get(REPLIES_KEY)),
            gate=workflow.gate,
            write=write,
            streaming=sink is not None or bool(configurable.get(STREAM_KEY)),
            sink=sink,
            is_observed=owner is not self or sink is not None,
            request_id=valid_request_id(configurable.get(REQUEST_ID_KEY)),
            client=valid_request_id(configurable.get(CLIENT_KEY)),
            is_validated=configurable.get(VALIDATED_KEY) is self,
        )

    async def _for_context(self, overrides: Mapping[str, Any] | None) -> Workflow:
        if overrides is None:
            return self
        workflow = self._overridden.get(_cache_key(overrides))
        if workflow is None:
            # One of them may be a schema, which takes long to parse.
            workflow = await asyncio.to_thread(self.override, overrides)
        if workflow.config.graph != self.config.graph:
            raise ConfigError("the context cannot change the graph that runs: build another one")
        return workflow

    def _with_config(self, loaded: LoadedConfig) -> Workflow:
        same = loaded.config.gate == self.config.gate
        return Workflow(
            loaded=loaded,
            models=replace(self.models, config=loaded.config),
            gate=self.gate if same else build_gate(loaded.config.gate, loaded.folder),
        )


def _cache_key(overrides: Mapping[str, Any]) -> str | None:
    """The overrides as text; `None` where they are not JSON."""
    try:
        return json.dumps(overrides, sort_keys=True)
    except (TypeError, ValueError, RecursionError):
        return None


class BoundNode(Runnable[Any, Update]):
    """A node bound to a workflow.

    LangGraph opens a run for the callbacks around every node by itself; the second one that a
    `RunnableLambda` opens inside it would cost as much as the node's own work.
    """

    def __init__(self, workflow: Workflow, node: Node, options: Mapping[str, Any]) -> None:
        self._workflow = workflow
        self._node = node
        self._options = options
        self.name = getattr(node, "__name__", "node")

    def invoke(self, input: Any, config: RunnableConfig | None = None, **_: Any) -> Update:
        """Run the node to its end."""
        return run_sync(lambda: self.ainvoke(input))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **_: Any) -> Update:
        """Run the node."""
        runs = self._workflow.models.runs
        run_id = _run_id(input)
        runs.node_started(run_id)
        try:
            runtime = await self._workflow.runtime(run_id)
            update = await self._node(input, runtime, **self._options)
        except BaseException as error:
            cancelled = isinstance(error, asyncio.CancelledError)
            runs.node_finished(run_id, failed=True, cancelled=cancelled)
            raise
        runs.node_finished(run_id)
        started = _run_id(update)
        if started != run_id:
            # `prepare` has started a run.
            runs.node_finished(started)
        return update


def _run_id(data: Any) -> str | None:
    """The run that a state, a task or an update belongs to."""
    # `dict` comes first: the check for a Mapping takes ten times as long.
    task = data.get("task") if isinstance(data, (dict, Mapping)) else None
    return task.get("run_id") if isinstance(task, (dict, Mapping)) else None
