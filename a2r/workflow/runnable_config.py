"""The runnable config of a run inside another run of LangChain's or LangGraph's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler, BaseCallbackManager
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import DEFAULT_RECURSION_LIMIT, var_child_runnable_config
from langgraph.checkpoint.base import BaseCheckpointSaver

from a2r._internal.argument_types import check_type
from a2r.errors import ConfigError

# More supersteps than waves and rounds can take.
MAX_SUPERSTEPS = 10_000
# What fits the fields of a runnable config, beside `None`.
FIELD_TYPES: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "configurable": (Mapping, "a mapping, such as {'thread_id': …}"),
    "metadata": (Mapping, "a mapping"),
    "tags": ((list, tuple), "a list of texts"),
    "callbacks": ((list, tuple, BaseCallbackManager), "a list of callback handlers"),
    "run_name": (str, "a text"),
    "run_id": (UUID, "a UUID"),
    "recursion_limit": (int, "a whole number"),
    "max_concurrency": (int, "a whole number"),
}
MINIMUMS: Mapping[str, int] = {"recursion_limit": 1, "max_concurrency": 0}
ITEM_TYPES: Mapping[str, type] = {"tags": str, "callbacks": BaseCallbackHandler}


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
        ConfigError: the explicit config is not a runnable config.
    """
    validate_run_config(config)
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


def validate_run_config(config: object) -> None:
    """Check the types of a runnable config's fields; `None` is no config.

    Raises:
        ConfigError: it is not a mapping, or a field has another type.
    """
    if config is None:
        return
    if not isinstance(config, Mapping):
        raise ConfigError(
            "config is LangChain's runnable config, a mapping like "
            f"{{'configurable': {{'thread_id': …}}}}, not {config!r}"
        )
    for name in config:
        check_type(name, str, "the fields of a config have names")
    for name, (types, expected) in FIELD_TYPES.items():
        value: Any = config.get(name)
        if value is None:
            continue
        check_type(value, types, f"config[{name!r}] is {expected}")
        if name in MINIMUMS and value < MINIMUMS[name]:
            raise ConfigError(f"config[{name!r}] is at least {MINIMUMS[name]}, not {value}")
        if name in ITEM_TYPES and isinstance(value, (list, tuple)):
            for item in value:
                check_type(item, ITEM_TYPES[name], f"config[{name!r}] is {expected}")
        for key in value if isinstance(value, Mapping) else ():
            check_type(key, str, f"the fields of config[{name!r}] have names")
