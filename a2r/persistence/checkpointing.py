"""Where the runs of a flow are kept, and which of them can go on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver

from a2r.errors import ConfigError, RunNotFoundError, StoreError
from a2r.persistence import CONFIG_KEY, GRAPH_KEY, Run, last_run, open_store
from a2r.workflow.builder import CompiledWorkflow
from a2r.workflow.runnable_config import isolated_config
from a2r.workflow.workflow import Workflow

Checkpointer = BaseCheckpointSaver[Any] | str | Path


@dataclass(frozen=True, kw_only=True)
class Checkpointing:
    """A flow's checkpointer: one of LangGraph's, the place of a store, or none."""

    workflow: Workflow
    checkpointer: Checkpointer | None

    @property
    def saver(self) -> BaseCheckpointSaver[Any] | None:
        """The checkpointer that is there already."""
        return None if isinstance(self.checkpointer, str | Path) else self.checkpointer

    @property
    def invoke_options(self) -> dict[str, Any]:
        """With a checkpointer, each step waits until it is committed."""
        return {} if self.checkpointer is None else {"durability": "sync"}

    @asynccontextmanager
    async def open(
        self, graph: CompiledWorkflow
    ) -> AsyncIterator[tuple[CompiledWorkflow, BaseCheckpointSaver[Any] | None]]:
        """The graph with its checkpointer, opened where a place was given."""
        if isinstance(self.checkpointer, str | Path):
            async with open_store(self.checkpointer) as saver:
                yield graph.copy({"checkpointer": saver}), saver
        else:
            yield graph, self.checkpointer

    def with_metadata(self, config: RunnableConfig | None) -> RunnableConfig:
        """The config; what is kept says with which graph and config it was begun.

        Raises:
            ConfigError: it is no config, or there is a checkpointer, and no thread.
        """
        own = isolated_config(config, inherit_checkpointer=True)
        if self.checkpointer is None:
            return own
        loaded = self.workflow.loaded
        kept = {GRAPH_KEY: loaded.config.graph, CONFIG_KEY: loaded.name}
        if not (own.get("configurable") or {}).get("thread_id"):
            raise ConfigError(
                "a run is kept under a thread: give {'configurable': {'thread_id': …}}"
            )
        return {**own, "metadata": {**(own.get("metadata") or {}), **kept}}

    async def load_resumable_run(
        self, saver: BaseCheckpointSaver[Any] | None, config: RunnableConfig
    ) -> Run:
        """The last run of the config's thread, taken up again.

        Raises:
            RunNotFoundError: there is no checkpointer, no thread id, or no run on the thread.
            ConfigError: the run was begun with another graph.
        """
        thread = config.get("configurable", {}).get("thread_id")
        if saver is None or thread is None:
            raise RunNotFoundError("a run is resumed with a checkpointer and by its thread_id")
        run = await last_run(saver, str(thread))
        if run is None:
            raise RunNotFoundError(f"there is no run on thread {thread!r}")
        graph = self.workflow.loaded.config.graph
        if run.result is None and run.graph not in (None, graph):
            raise ConfigError(
                f"the run on thread {thread!r} was begun with graph {run.graph!r}, config "
                f"{self.workflow.loaded.name!r} has {graph!r}: resume it with graph={run.graph}"
            )
        if run.run_id is not None:
            # Its time begins anew, also where this very process had begun it; its budgets do not.
            self.workflow.models.runs.finish(run.run_id)
            self.workflow.models.runs.get_or_start(run.run_id, run.usage.model_dump())
        return run

    def check_sync(self) -> None:
        """Refuse to run in another event loop than the checkpointer's own.

        Raises:
            StoreError: the checkpointer belongs to an event loop.
        """
        if getattr(self.checkpointer, "loop", None) is not None:
            raise StoreError(
                "this checkpointer belongs to an event loop: use aask and aresume there, or give "
                "A2R the path or URL of the store"
            )
