"""Running the server until it is told to end."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from a2r.errors import ConfigError
from a2r.logs import get_logger
from a2r.server.app import create_app
from a2r.server.offered import Offer
from a2r.server.settings import ServerSettings

SIGNALS = (signal.SIGINT, signal.SIGTERM)
BACKLOG = 2048
# The last word of a stream that is cut off has to be sent before its connection is closed.
LAST_WORD_SECONDS = 1.0


async def serve(offer: Offer, settings: ServerSettings) -> None:
    """Serve until SIGINT or SIGTERM; then finish what runs, `settings.grace` seconds at most.

    Raises:
        A2RError: a config cannot be used, or the address cannot be bound.
    """
    settings.check_exposure()
    app = create_app(offer, settings)
    listener = _bind(settings)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="on",
            server_header=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=round(settings.grace + LAST_WORD_SECONDS),
        )
    )
    with listener:
        try:
            await offer.prepare()
            host, port = listener.getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            get_logger().info(
                "serving",
                url=f"http://{shown}:{port}/v1",
                configs=",".join(offer.main),
                models=len(offer.models),
            )
            with _ended_in_order():
                await server.serve(sockets=[listener])
        finally:
            await offer.close()


def run(offer: Offer, settings: ServerSettings) -> None:
    """`serve` in an event loop of its own."""
    asyncio.run(serve(offer, settings))


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Uvicorn raises the signals that ended it once more; what they asked for is done by then."""
    before = {one: signal.signal(one, lambda *_: None) for one in SIGNALS}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _bind(settings: ServerSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"{settings.host}:{settings.port}: cannot be bound: {error.strerror or error}"
        ) from error
    return listener
