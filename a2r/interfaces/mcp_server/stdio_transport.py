"""MCP over stdin and stdout."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from a2r.interfaces.mcp_server.lifecycle import serve_until_signal
from a2r.interfaces.mcp_server.server import A2RMCPServer

CHUNK_BYTES = 1 << 16


async def serve_stdio(server: A2RMCPServer) -> None:
    """Serve the client on stdin and stdout until it closes stdin, or a signal.

    Meanwhile the SDK redirects all other output from stdout to stderr.
    """
    with _closable_stdin() as close_stdin:

        async def shut_down() -> None:
            close_stdin()

        await serve_until_signal(server.run_stdio_async(), shut_down)


@contextmanager
def _closable_stdin() -> Iterator[Callable[[], None]]:
    """Replace stdin with a socket, which the yielded function closes as if the client had.

    The SDK reads stdin in a thread that only input or end of file can wake.
    """
    stdin = os.dup(0)
    write_end, read_end = socket.socketpair()
    os.dup2(read_end.fileno(), 0)
    read_end.close()
    threading.Thread(target=_copy, args=(stdin, write_end), daemon=True, name="a2r-stdin").start()
    try:
        yield lambda: write_end.shutdown(socket.SHUT_WR)
    finally:
        os.dup2(stdin, 0)


def _copy(stdin: int, write_end: socket.socket) -> None:
    # Writing fails once the socket is closed for the shutdown.
    with suppress(OSError):
        while chunk := os.read(stdin, CHUNK_BYTES):
            write_end.sendall(chunk)
        write_end.shutdown(socket.SHUT_WR)
