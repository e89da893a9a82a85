"""Run the server until a signal, and shut it down gracefully."""

from __future__ import annotations

import asyncio
import math
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from a2r._internal.gc_tuning import freeze_gc
from a2r._internal.logging import get_logger
from a2r.interfaces.http.model_registry import ModelRegistry
from a2r.interfaces.http.settings import ServerSettings
from a2r.interfaces.http.sockets import bind, listen, listener_url
from a2r.interfaces.http.uvicorn_server import (
    UvicornServer,
    raise_open_files_limit,
    uvicorn_config,
)
from a2r.interfaces.openai_server.app import create_app
from a2r.interfaces.openai_server.request_queue import ConcurrencyLimiter

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Time to send the error event of a cancelled stream before its connection is closed.
FINAL_EVENT_SECONDS = 1.0


async def serve(registry: ModelRegistry, settings: ServerSettings) -> None:
    """Serve until SIGINT or SIGTERM; running requests then have `settings.grace` seconds.

    Raises:
        A2RError: a config cannot be used, or the address cannot be bound.
    """
    settings.check_exposure()
    limiter = ConcurrencyLimiter(capacity=settings.concurrency, queue=settings.queue)
    app = create_app(registry, settings, limiter)
    listener = bind(settings.host, settings.port)
    raise_open_files_limit()
    config = uvicorn_config(
        app,
        settings,
        timeout_graceful_shutdown=math.ceil(settings.grace + FINAL_EVENT_SECONDS),
    )
    server = _Server(config, settings, lambda: limiter.drain(settings.grace))
    with listener:
        try:
            await registry.warm_up()
            freeze_gc()
            # Listen before logging: a client may connect as soon as it reads the log line.
            listen(listener)
            get_logger().info(
                "serving",
                url=listener_url(listener, "/v1"),
                configs=",".join(registry.primary),
                models=len(registry.models),
            )
            with _suppress_signals():
                await server.serve(sockets=[listener])
        finally:
            await registry.close()


class _Server(UvicornServer):
    """A server that calls `on_shutdown` when its shutdown starts."""

    def __init__(
        self, config: uvicorn.Config, settings: ServerSettings, on_shutdown: Callable[[], None]
    ) -> None:
        super().__init__(config, settings)
        self.on_shutdown = on_shutdown

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more connections, and wait for the open ones."""
        self.on_shutdown()
        await super().shutdown(sockets)


def run(registry: ModelRegistry, settings: ServerSettings) -> None:
    """Run `serve` in a new event loop."""
    asyncio.run(serve(registry, settings))


@contextmanager
def _suppress_signals() -> Iterator[None]:
    """Ignore the signals that uvicorn raises again after its shutdown: they are handled then."""
    handlers = {number: signal.signal(number, lambda *_: None) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
