"""MCP over stdin and stdout."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from a2r.interfaces.mcp_server.lifecycle import serve_until_signal
from a2r.interfaces.mcp_server.server import A2RMCPServer

PIECE = 1 << 16


async def serve_stdio(server: A2RMCPServer) -> None:
    """Serve the client at the other end of stdin, until it closes it or a signal comes.

    While it runs, the SDK keeps everything but the protocol off stdout.
    """
    with _stdin_that_can_be_ended() as end_input:

        async def end() -> None:
            end_input()

        await serve_until_signal(server.run_stdio_async(), end)


@contextmanager
def _stdin_that_can_be_ended() -> Iterator[Callable[[], None]]:
    """Put a socket in the place of stdin that can be closed from here, as if the client had.

    The SDK reads stdin in a thread, which nothing can wake but input or its end.
    """
    source = os.dup(0)
    ours, theirs = socket.socketpair()
    os.dup2(theirs.fileno(), 0)
    theirs.close()
    threading.Thread(target=_pump, args=(source, ours), daemon=True, name="a2r-stdin").start()
    try:
        yield lambda: ours.shutdown(socket.SHUT_WR)
    finally:
        os.dup2(source, 0)


def _pump(source: int, ours: socket.socket) -> None:
    # Once the input has been ended from here, there is nowhere to write to.
    with suppress(OSError):
        while piece := os.read(source, PIECE):
            ours.sendall(piece)
        ours.shutdown(socket.SHUT_WR)
