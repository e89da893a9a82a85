"""The checkpointer of a workflow: open its store for a run, and add the metadata of the run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any
from uuid import UUID

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver

from a2r._internal.argument_types import check_type
from a2r.errors import ConfigError, StoreError
from a2r.persistence.database import open_store
from a2r.persistence.lease import thread_lease
from a2r.persistence.run_record import CONFIG_KEY
from a2r.persistence.snapshots import GRAPH_KEY, nodes_metadata
from a2r.workflow.graph_loader import CompiledWorkflow
from a2r.workflow.runnable_config import isolated_config
from a2r.workflow.workflow import Workflow

Checkpointer = BaseCheckpointSaver[Any] | str | Path


@dataclass(frozen=True, kw_only=True)
class Checkpointing:
    """The checkpointer of a workflow: a LangGraph saver, the location of a store, or none."""

    workflow: Workflow
    checkpointer: Checkpointer | None

    def __post_init__(self) -> None:
        """Check the type of the checkpointer."""
        check_type(
            self.checkpointer,
            (BaseCheckpointSaver, str, Path, NoneType),
            "checkpointer is a LangGraph checkpointer, or the path or URL of a store",
        )

    @property
    def saver(self) -> BaseCheckpointSaver[Any] | None:
        """The LangGraph saver; `None` without one, or where a store has to be opened."""
        return None if isinstance(self.checkpointer, str | Path) else self.checkpointer

    @property
    def invoke_options(self) -> dict[str, Any]:
        """Options of `ainvoke`: with a checkpointer, every step waits for its commit."""
        return {} if self.checkpointer is None else {"durability": "sync"}

    @asynccontextmanager
    async def open(
        self, graph: CompiledWorkflow
    ) -> AsyncIterator[tuple[CompiledWorkflow, BaseCheckpointSaver[Any] | None]]:
        """The graph with its checkpointer; a store is open until the context ends."""
        metadata = nodes_metadata(graph.nodes) if self.checkpointer is not None else {}
        if metadata:
            graph = graph.with_config({"metadata": metadata})
        if isinstance(self.checkpointer, str | Path):
            async with open_store(self.checkpointer) as saver:
                yield graph.copy({"checkpointer": saver}), saver
        else:
            yield graph, self.checkpointer

    def with_metadata(self, config: RunnableConfig | None) -> RunnableConfig:
        """The config of a run, with the names of the graph and the config for its checkpoints.

        Raises:
            ConfigError: it is not a runnable config, or a checkpointer lacks a thread ID.
        """
        run_config = isolated_config(config, inherit_checkpointer=True)
        if self.checkpointer is None:
            return run_config
        thread = (run_config.get("configurable") or {}).get("thread_id")
        if not thread:
            raise ConfigError(
                "a checkpointer requires a thread_id: pass {'configurable': {'thread_id': …}}"
            )
        check_type(thread, (str, int, UUID), "a thread_id is a text")
        loaded = self.workflow.loaded
        names = {GRAPH_KEY: loaded.config.graph, CONFIG_KEY: loaded.name}
        return {**run_config, "metadata": {**(run_config.get("metadata") or {}), **names}}

    def lease(
        self, saver: BaseCheckpointSaver[Any] | None, config: RunnableConfig
    ) -> AbstractAsyncContextManager[None]:
        """The lease of the config's thread: while it is held, no other run of it can start.

        Raises:
            ThreadBusyError: another run of the thread is in progress.
        """
        thread = (config.get("configurable") or {}).get("thread_id")
        return thread_lease(None if thread is None else saver, str(thread))

    def check_sync(self) -> None:
        """Check that the checkpointer can be used from synchronous code.

        Raises:
            StoreError: the checkpointer belongs to an event loop.
        """
        if getattr(self.checkpointer, "loop", None) is not None:
            raise StoreError(
                "async-only checkpointer: use aask and aresume in its event loop, or give A2R the "
                "path or URL of the store"
            )
