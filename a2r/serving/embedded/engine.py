"""The embedded engine: one llama.cpp server per model, started on first use."""

from __future__ import annotations

import asyncio
import threading
import weakref
from pathlib import Path

from a2r._internal.logging import get_logger
from a2r.config.schema import EngineConfig
from a2r.serving.embedded.model_store import ModelStore
from a2r.serving.embedded.server_process import ServerProcess, start


class Engine:
    """Serves models on loopback until `close` or exit; usable from any thread and event loop."""

    def __init__(self, config: EngineConfig, store: ModelStore) -> None:
        self._config = config
        self._store = store
        self._servers: dict[Path, ServerProcess] = {}
        self._lock = threading.Lock()
        self._finalizer = weakref.finalize(self, _stop_all, self._servers)

    async def fetch(self, model: str) -> Path:
        """The path of the model file; downloads and verifies the file if it is missing.

        Raises:
            ConfigError: the model is unknown.
            ModelFileError: no source is available, the hash is wrong, or the disk is full.
        """
        return await asyncio.to_thread(self._store.fetch, model)

    async def base_url(self, model: str) -> str:
        """The base URL of the server of a model; starts the server if it is not running.

        Raises:
            ConfigError: the model is unknown.
            ModelFileError: the model file cannot be downloaded or verified.
            EngineError: the server could not load the model.
        """
        path = await self.fetch(model)
        server = self._servers.get(path)
        if server is not None and server.is_alive():
            return server.base_url
        return await asyncio.to_thread(self._start_server, path, model)

    def close(self) -> None:
        """Stop all servers; later use starts them again."""
        with self._lock:
            _stop_all(self._servers)

    def _start_server(self, path: Path, model: str) -> str:
        with self._lock:
            server = self._servers.get(path)
            if server is None or not server.is_alive():
                get_logger().info("starting embedded engine", model=model)
                self._servers[path] = server = start(path, model, self._config)
            return server.base_url


def _stop_all(servers: dict[Path, ServerProcess]) -> None:
    while servers:
        servers.popitem()[1].stop()
