"""A run of A2R that is called inside another run of LangChain's or LangGraph's."""

from __future__ import annotations

from collections.abc import Mapping

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import DEFAULT_RECURSION_LIMIT, var_child_runnable_config
from langgraph.checkpoint.base import BaseCheckpointSaver

from a2r.errors import ConfigError

# More supersteps than waves and rounds can take.
MAX_SUPERSTEPS = 10_000


def isolated_config(own: RunnableConfig | None = None, *, kept: bool = False) -> RunnableConfig:
    """The config of a run that stands by itself, whatever runs around it.

    Callbacks, tags and metadata of what runs around it hold for it, too. The limit of supersteps
    does not, which LangChain sets to 25 inside every runnable of its own.

    Args:
        own: what is said explicitly, and wins.
        kept: let the checkpointer of a graph around it keep the run, so that it goes on where it
            was when that graph is resumed. It cannot where this runs in another event loop than
            that graph, as what is called synchronously does; and it must not where an error of
            the run is an error of the graph: what is kept of it would fail again.

    Raises:
        ConfigError: what is said explicitly is no config.
    """
    if own is not None and not isinstance(own, Mapping):
        raise ConfigError(
            "config is LangChain's runnable config, a mapping like "
            f"{{'configurable': {{'thread_id': …}}}}, not {own!r}"
        )
    around = (var_child_runnable_config.get() or {}).get("configurable") or {}
    savers = {name: None for name, it in around.items() if isinstance(it, BaseCheckpointSaver)}
    explicit = own or {}
    inside = {**({} if kept else savers), **(explicit.get("configurable") or {})}
    config: RunnableConfig = {"recursion_limit": MAX_SUPERSTEPS, **explicit}
    if config["recursion_limit"] == DEFAULT_RECURSION_LIMIT:
        # What a runnable hands on that was told of none.
        config["recursion_limit"] = MAX_SUPERSTEPS
    return {**config, "configurable": inside} if inside else config
