"""Running the server until it is told to end."""

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
from a2r.interfaces.http.sockets import BACKLOG, bind, listen, listener_url
from a2r.interfaces.openai_server.app import create_app
from a2r.interfaces.openai_server.request_queue import ConcurrencyLimiter

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# The last word of a stream that is cut off has to be sent before its connection is closed.
FINAL_EVENT_SECONDS = 1.0


async def serve(offer: ModelRegistry, settings: ServerSettings) -> None:
    """Serve until SIGINT or SIGTERM; then finish what runs, `settings.grace` seconds at most.

    Raises:
        A2RError: a config cannot be used, or the address cannot be bound.
    """
    settings.check_exposure()
    places = ConcurrencyLimiter(capacity=settings.concurrency, queue=settings.queue)
    app = create_app(offer, settings, places)
    listener = bind(settings.host, settings.port)
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="on",
            server_header=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=math.ceil(settings.grace + FINAL_EVENT_SECONDS),
            ws="none",
        ),
        lambda: places.drain(settings.grace),
    )
    with listener:
        try:
            await offer.warm_up()
            freeze_gc()
            # Who reads that it serves may connect at once.
            listen(listener)
            get_logger().info(
                "serving",
                url=listener_url(listener, "/v1"),
                configs=",".join(offer.primary),
                models=len(offer.models),
            )
            with _suppress_signals():
                await server.serve(sockets=[listener])
        finally:
            await offer.close()


class _Server(uvicorn.Server):
    """Says when it begins to end."""

    def __init__(self, config: uvicorn.Config, on_end: Callable[[], None]) -> None:
        super().__init__(config)
        self.on_end = on_end

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, and wait for those there are."""
        self.on_end()
        await super().shutdown(sockets)


def run(offer: ModelRegistry, settings: ServerSettings) -> None:
    """`serve` in an event loop of its own."""
    asyncio.run(serve(offer, settings))


@contextmanager
def _suppress_signals() -> Iterator[None]:
    """Uvicorn raises the signals that ended it once more; what they asked for is done by then."""
    before = {one: signal.signal(one, lambda *_: None) for one in SIGNALS}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
