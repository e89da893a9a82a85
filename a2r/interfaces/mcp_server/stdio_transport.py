"""MCP over stdin and stdout."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import anyio.to_thread

from a2r.interfaces.mcp_server.lifecycle import serve_until_signal
from a2r.interfaces.mcp_server.sdk import SDKServer
from a2r.interfaces.mcp_server.server_state import ServerState

READ_BYTES = 1 << 16
# Between writes, the end of stdin is checked.
WRITE_BYTES = 1 << 12


async def serve_stdio(server: SDKServer, state: ServerState) -> None:
    """Serve the client on stdin and stdout until it closes stdin, or a signal.

    Nothing is written to the client after that. Meanwhile all other output goes from stdout to
    stderr.
    """
    with _claimed_streams() as (stdin, stdout):
        reader = StdinReader(fd=stdin, state=state)
        writer = StdoutWriter(fd=stdout, ended=reader.ended)

        async def shut_down() -> None:
            reader.end()

        try:
            await serve_until_signal(server.serve_stdio(reader, writer), shut_down)
        finally:
            await state.close()


@dataclass(kw_only=True)
class StdinReader:
    """The lines of stdin, until the client closes it or `end` is called.

    A thread reads stdin, as it may be a file, which an event loop cannot wait for. At the end,
    the running calls of the state are cancelled.
    """

    fd: int
    state: ServerState
    ended: threading.Event = field(default_factory=threading.Event)
    _write_end: socket.socket = field(init=False)
    _read_end: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        self._write_end, self._read_end = socket.socketpair()
        self._read_end.setblocking(False)
        threading.Thread(target=self._copy, daemon=True, name="a2r-stdin").start()

    async def __aiter__(self) -> AsyncIterator[str]:
        """Iterate over the lines."""
        loop = asyncio.get_running_loop()
        pieces: list[bytes] = []
        with self._read_end:
            while chunk := await loop.sock_recv(self._read_end, READ_BYTES):
                *complete, rest = chunk.split(b"\n")
                for piece in complete:
                    yield b"".join([*pieces, piece]).decode(errors="replace")
                    pieces.clear()
                pieces.append(rest)
        await self.state.drain(0)

    def end(self) -> None:
        """End the lines, as if the client had closed stdin."""
        self.ended.set()
        with suppress(OSError):
            self._write_end.shutdown(socket.SHUT_WR)

    def _copy(self) -> None:
        # Sending fails once `end` was called.
        with suppress(OSError):
            while chunk := os.read(self.fd, READ_BYTES):
                self._write_end.sendall(chunk)
        self.end()
        self._write_end.close()


@dataclass(kw_only=True)
class StdoutWriter:
    """Writes to stdout until stdin has ended: the client of the SDK 1.x fails on a later message.

    A message that is being written is then cut, which clients ignore.
    """

    fd: int
    ended: threading.Event

    async def write(self, text: str) -> None:
        """Write a text, in a thread, as the client may not read."""
        await anyio.to_thread.run_sync(self._write, text.encode())

    async def flush(self) -> None:
        """Do nothing, as nothing is buffered."""

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest and not self.ended.is_set():
            try:
                rest = rest[os.write(self.fd, rest[:WRITE_BYTES]) :]
            except BrokenPipeError:
                # The client is gone, and stdin is about to end.
                return


@contextmanager
def _claimed_streams() -> Iterator[tuple[int, int]]:
    """Yield duplicates of stdin and stdout; meanwhile they are empty, and stderr."""
    stdin, stdout = _duplicate(0), _duplicate(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null if sys.stderr is None else 2, 1)
    os.close(null)
    try:
        yield stdin, stdout
    finally:
        # Buffered output of a user's graph must not reach the real stdout.
        sys.stdout.flush()
        os.dup2(stdout, 1)
        os.dup2(stdin, 0)


def _duplicate(fd: int) -> int:
    # A lower number could be that of a closed standard stream.
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
