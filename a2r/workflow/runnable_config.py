"""The runnable config of a run inside another run of LangChain's or LangGraph's."""

from __future__ import annotations

from collections.abc import Mapping

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import DEFAULT_RECURSION_LIMIT, var_child_runnable_config
from langgraph.checkpoint.base import BaseCheckpointSaver

from a2r.errors import ConfigError

# More supersteps than waves and rounds can take.
MAX_SUPERSTEPS = 10_000


def isolated_config(
    config: RunnableConfig | None = None, *, inherit_checkpointer: bool = False
) -> RunnableConfig:
    """The config of a run that is independent of a surrounding run.

    Callbacks, tags and metadata of the surrounding run apply to it, too. The limit of supersteps
    does not: LangChain sets it to 25 inside its own runnables.

    Args:
        config: explicit values, which win.
        inherit_checkpointer: let the checkpointer of a surrounding graph store the run, so that it
            continues where it was when that graph is resumed. That is impossible in another event
            loop than that graph's, as in synchronous calls; and wrong where an error of the run is
            an error of the graph: the stored run would fail again.

    Raises:
        ConfigError: the explicit config is not a mapping.
    """
    if config is not None and not isinstance(config, Mapping):
        raise ConfigError(
            "config is LangChain's runnable config, a mapping like "
            f"{{'configurable': {{'thread_id': …}}}}, not {config!r}"
        )
    surrounding = (var_child_runnable_config.get() or {}).get("configurable") or {}
    no_savers = {
        name: None for name, it in surrounding.items() if isinstance(it, BaseCheckpointSaver)
    }
    explicit = config or {}
    configurable = {
        **({} if inherit_checkpointer else no_savers),
        **(explicit.get("configurable") or {}),
    }
    isolated: RunnableConfig = {"recursion_limit": MAX_SUPERSTEPS, **explicit}
    if isolated["recursion_limit"] == DEFAULT_RECURSION_LIMIT:
        # A runnable passes its default on where nobody has set a limit.
        isolated["recursion_limit"] = MAX_SUPERSTEPS
    return {**isolated, "configurable": configurable} if configurable else isolated
