"""Finding the graph that a config names, and building it."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph

from a2r.config import LoadedConfig, default_config_name, load_config
from a2r.config.load import Source
from a2r.config.spelling import suggestion
from a2r.errors import A2RError, ConfigError
from a2r.flow import Flow
from a2r.state import Context, Input, Output, State

CompiledFlow = CompiledStateGraph[State, Context, Input, Output]
ALIASES = {"a2r": "two_stage"}
BUILD = "build"


def graph_names() -> list[str]:
    """The names of the graphs that are shipped, as a config's `graph:` takes them."""
    names = {ALIASES[alias]: alias for alias in ALIASES}
    modules = [
        entry.name.removesuffix(".py")
        for entry in files("a2r").joinpath("graphs").iterdir()
        if entry.name.endswith(".py") and entry.name != "__init__.py"
    ]
    return sorted(names.get(module, module) for module in modules)


def build_graph(
    config: Source | None = None, *, checkpointer: BaseCheckpointSaver[Any] | None = None
) -> CompiledFlow:
    """The compiled graph of a config, to run by itself or as a node of another graph.

    Args:
        config: a config's name, path, mapping or object; the default config if it is not given.
        checkpointer: where runs are kept; leave it out for a subgraph, whose parent has one.

    Raises:
        ConfigError: the config or the graph it names cannot be used.
    """
    return compile_flow(Flow.of(load_config(config or default_config_name())), checkpointer)


def compile_flow(flow: Flow, checkpointer: BaseCheckpointSaver[Any] | None = None) -> CompiledFlow:
    """The compiled graph that a flow's config names, bound to that flow.

    Raises:
        ConfigError: the graph cannot be found, loaded or built.
    """
    build = _builder(flow.loaded)
    try:
        graph = build(flow)
    except A2RError:
        raise
    except Exception as error:
        raise _broken(flow.loaded.config.graph, error) from error
    if not isinstance(graph, StateGraph):
        raise ConfigError(
            f"graph {flow.loaded.config.graph!r}: {BUILD}(flow) returned "
            f"{type(graph).__name__}, not a StateGraph"
        )
    try:
        return graph.compile(checkpointer=checkpointer, name="a2r")
    except ValueError as error:
        raise _broken(flow.loaded.config.graph, error) from error


def _builder(loaded: LoadedConfig) -> Callable[[Flow], Any]:
    reference = loaded.config.graph
    place, _, attribute = reference.partition(":")
    if place.endswith(".py"):
        module = _module_at(loaded.folder / Path(place).expanduser(), reference)
    elif place in graph_names():
        module = importlib.import_module(f"a2r.graphs.{ALIASES.get(place, place)}")
    else:
        module = _module_named(place, reference)
    build: Callable[[Flow], Any] | None = getattr(module, attribute or BUILD, None)
    if not callable(build):
        raise ConfigError(f"graph {reference!r} has no function {attribute or BUILD}(flow)")
    return build


def _module_at(path: Path, reference: str) -> ModuleType:
    if not path.is_file():
        raise ConfigError(f"graph {reference!r}: there is no file {path}")
    name = f"a2r_graph_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"graph {reference!r}: {path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    # Annotations of a state that the file defines are looked up in sys.modules.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise _broken(reference, error) from error
    return module


def _module_named(name: str, reference: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"unknown graph {reference!r}{suggestion(reference, graph_names())}"
        ) from error
    except Exception as error:
        raise _broken(reference, error) from error


def _broken(reference: str, error: Exception) -> ConfigError:
    return ConfigError(f"graph {reference!r} cannot be built: {type(error).__name__}: {error}")
