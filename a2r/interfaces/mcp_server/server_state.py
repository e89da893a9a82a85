"""The state that tools and resources share: configs, recent results, and running calls."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from cachetools import LRUCache

from a2r._internal.text import one_line
from a2r.config import LoadedConfig
from a2r.errors import ConfigError, RunNotFoundError
from a2r.interfaces.http.model_registry import ModelRegistry, ServedModel
from a2r.result import Result
from a2r.solver import A2R

MAX_STORED_RESULTS = 256
HEARTBEAT_SECONDS = 10.0
MAX_NAME_CHARACTERS = 80
T = TypeVar("T")


@dataclass(kw_only=True)
class ServerState:
    """The configs, results and running calls of one server.

    A call may request up to `max_samples` samples. After `heartbeat_seconds` without an event, the
    client gets a progress notification.
    """

    registry: ModelRegistry
    max_samples: int
    heartbeat_seconds: float = HEARTBEAT_SECONDS
    _results: LRUCache[str, Result] = field(default_factory=lambda: LRUCache(MAX_STORED_RESULTS))
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    @property
    def names(self) -> list[str]:
        """The names of the configs that clients may use, sorted."""
        return sorted(
            model.id for model in self.registry.models.values() if model.id == model.config
        )

    @property
    def default(self) -> str:
        """The name of the default config."""
        return self.registry.primary[0]

    def config(self, name: str) -> LoadedConfig:
        """The config of a name.

        Raises:
            ConfigError: the name is unknown.
        """
        return self._model(name).loaded

    def solver(self, name: str) -> A2R:
        """The solver of a config.

        Raises:
            ConfigError: the name is unknown, or the config's graph or gate cannot be built.
        """
        return self.registry.solver(self._model(name))

    def store_result(self, result: Result) -> None:
        """Store a result; the least recently used one is dropped if there are too many."""
        self._results[result.run_id] = result

    def result(self, run_id: str) -> Result:
        """The stored result of a run.

        Raises:
            RunNotFoundError: the run is unknown, or its result has been dropped.
        """
        result: Result | None = self._results.get(run_id)
        if result is None:
            raise RunNotFoundError(f"no run {one_line(run_id, MAX_NAME_CHARACTERS)!r}")
        return result

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run work in a task that `drain` waits for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def drain(self, seconds: float) -> None:
        """Wait until all tasks have finished; after so many seconds, cancel the rest."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for task in self._tasks:
            task.cancel()

    async def close(self) -> None:
        """Stop the embedded engine's servers and close all connections."""
        await self.registry.close()

    def _model(self, name: str) -> ServedModel:
        if name not in self.names:
            shown = one_line(name, MAX_NAME_CHARACTERS)
            raise ConfigError(f"unknown config {shown!r}: use one of {', '.join(self.names)}")
        return self.registry.models[name]
