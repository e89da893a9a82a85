"""What the tools and resources share: the configs, the results so far, and the work under way."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

from a2r._internal.lru_cache import LRUCache
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
    """One server's configs and results.

    A request may ask for `most_samples` at most. While nothing happens in a run, its client hears
    of it every `beat_seconds`.
    """

    registry: ModelRegistry
    max_samples: int
    heartbeat_seconds: float = HEARTBEAT_SECONDS
    _results: LRUCache[Result] = field(
        default_factory=lambda: LRUCache(max_items=MAX_STORED_RESULTS)
    )
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    @property
    def names(self) -> list[str]:
        """The configs that may be named, sorted."""
        return sorted(
            model.id for model in self.registry.models.values() if model.id == model.config
        )

    @property
    def default(self) -> str:
        """The config that is used where none is named."""
        return self.registry.primary[0]

    def config(self, name: str) -> LoadedConfig:
        """A config that may be named.

        Raises:
            ConfigError: the name is none of theirs.
        """
        return self._model(name).loaded

    def solver(self, name: str) -> A2R:
        """What answers with a config.

        Raises:
            ConfigError: the name is no config's, or its graph or gate cannot be built.
        """
        return self.registry.solver(self._model(name))

    def store_result(self, result: Result) -> None:
        """Keep a result, in the place of the one that was used longest ago."""
        self._results.get(result.run_id, lambda: result)

    def result(self, run_id: str) -> Result:
        """A result that is kept.

        Raises:
            RunNotFoundError: it is not, or no longer.
        """

        def missing() -> NoReturn:
            raise RunNotFoundError(f"no run {one_line(run_id, MAX_NAME_CHARACTERS)!r}")

        return self._results.get(run_id, missing)

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin work that `finish` waits for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def drain(self, seconds: float) -> None:
        """Wait until no work is under way; what still is after so many seconds is cancelled."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for task in self._tasks:
            task.cancel()

    async def close(self) -> None:
        """End the embedded engine's servers and close all connections."""
        await self.registry.close()

    def _model(self, name: str) -> ServedModel:
        if name not in self.names:
            shown = one_line(name, MAX_NAME_CHARACTERS)
            raise ConfigError(f"unknown config {shown!r}: one of {', '.join(self.names)}")
        return self.registry.models[name]
