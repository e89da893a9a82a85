"""Find the graph that a config names, build and compile it."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable
from functools import cache
from importlib.resources import files
from threading import Lock
from types import NoneType
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph

from a2r._internal.argument_types import check_type
from a2r._internal.import_string import find_module, import_error, load_module
from a2r._internal.suggestions import suggestion
from a2r.config import LoadedConfig, default_config_name, load_config
from a2r.config.loader import ConfigSource
from a2r.errors import A2RError, ConfigError
from a2r.workflow.callback_runs import skip_unobserved_runs
from a2r.workflow.state import Context, Input, Output, State
from a2r.workflow.workflow import Workflow

ALIASES = {"a2r": "two_stage"}
BUILD_FUNCTION = "build"


def graph_names() -> list[str]:
    """The names of the shipped graphs, as in a config's `graph:`."""
    names = {ALIASES[alias]: alias for alias in ALIASES}
    modules = [
        entry.name.removesuffix(".py")
        for entry in files("a2r").joinpath("graphs").iterdir()
        if entry.name.endswith(".py") and not entry.name.startswith("_")
    ]
    return sorted(names.get(module, module) for module in modules)


def build_graph(
    config: ConfigSource | None = None, *, checkpointer: BaseCheckpointSaver[Any] | None = None
) -> CompiledWorkflow:
    """Compile the graph of a config, to run by itself or as a node of another graph.

    Args:
        config: a config's name, path, mapping or object; without it, the default config.
        checkpointer: stores the runs; omit it for a subgraph, whose parent has one.

    Raises:
        ConfigError: the config or the graph it names cannot be used.
    """
    return compile_workflow(
        Workflow.from_config(load_config(default_config_name() if config is None else config)),
        checkpointer,
    )


def compile_workflow(
    workflow: Workflow, checkpointer: BaseCheckpointSaver[Any] | None = None
) -> CompiledWorkflow:
    """Compile the graph that a workflow's config names, bound to that workflow.

    Raises:
        ConfigError: the graph cannot be found, loaded or built.
    """
    check_type(
        checkpointer,
        (BaseCheckpointSaver, bool, NoneType),
        "checkpointer is a LangGraph checkpointer (only A2R takes the path or URL of a store)",
    )
    build = _find_builder(workflow.loaded)
    try:
        graph = build(workflow)
    except A2RError:
        raise
    except Exception as error:
        raise import_error(f"graph {workflow.loaded.config.graph!r}", error) from error
    if not isinstance(graph, StateGraph):
        raise ConfigError(
            f"graph {workflow.loaded.config.graph!r}: {BUILD_FUNCTION}(workflow) returned "
            f"{type(graph).__name__}, not a StateGraph"
        )
    try:
        return skip_unobserved_runs(graph.compile(checkpointer=checkpointer, name="a2r"))
    except ValueError as error:
        raise import_error(f"graph {workflow.loaded.config.graph!r}", error) from error


def _find_builder(loaded: LoadedConfig) -> Callable[[Workflow], Any]:
    reference = loaded.config.graph
    name, _, attribute = reference.partition(":")
    what = f"graph {reference!r}"
    if name in graph_names():
        module = importlib.import_module(f"a2r.graphs.{ALIASES.get(name, name)}")
    elif name.endswith(".py") or find_module(name):
        module = load_module(name, loaded.folder, what=what)
    else:
        raise ConfigError(f"unknown graph {reference!r}{suggestion(reference, graph_names())}")
    build: Callable[[Workflow], Any] | None = getattr(module, attribute or BUILD_FUNCTION, None)
    if not callable(build):
        raise ConfigError(f"{what} has no function {attribute or BUILD_FUNCTION}(workflow)")
    return build


Builder = Callable[[Workflow], StateGraph[State, Context, Input, Output]]
CompiledWorkflow = CompiledStateGraph[State, Context, Input, Output]


def graph_factory(build: Builder) -> Callable[[], Awaitable[CompiledWorkflow]]:
    """A factory for `langgraph.json`: the graph on the config that `A2R_CONFIG` names.

    The graph is compiled once, in a thread, because a LangGraph server calls the factory on its
    event loop; its name is left to the server.
    """
    lock = Lock()

    @cache
    def compiled() -> CompiledWorkflow:
        return skip_unobserved_runs(build(Workflow.default()).compile())

    def locked() -> CompiledWorkflow:
        with lock:
            return compiled()

    async def graph() -> CompiledWorkflow:
        return await asyncio.to_thread(locked)

    return graph
