"""The streams of the stdio transport: whole lines in, and nothing out after the end of stdin."""

from __future__ import annotations

import asyncio
import os
import threading

from a2r.interfaces.http.model_registry import ModelRegistry
from a2r.interfaces.mcp_server.server_state import ServerState
from a2r.interfaces.mcp_server.stdio_transport import (
    READ_BYTES,
    WRITE_BYTES,
    StdinReader,
    StdoutWriter,
)


def tiny_state() -> ServerState:
    return ServerState(registry=ModelRegistry.from_configs(["tiny"]), max_samples=8)


async def test_lines_longer_than_a_chunk_are_whole() -> None:
    read_end, write_end = os.pipe()
    lines = ["a", "ü" * READ_BYTES, "", "b"]
    text = "\n".join([*lines, "no end of line"])

    def write() -> None:
        with os.fdopen(write_end, "wb") as stdin:
            stdin.write(text.encode())

    writer = threading.Thread(target=write)
    writer.start()
    reader = StdinReader(fd=read_end, state=tiny_state())
    assert [line async for line in reader] == lines
    assert reader.ended.is_set()
    writer.join()
    os.close(read_end)


async def test_the_end_of_stdin_cancels_running_calls() -> None:
    read_end, write_end = os.pipe()
    state = tiny_state()
    call = state.start(asyncio.Event().wait())
    reader = StdinReader(fd=read_end, state=state)
    os.close(write_end)
    assert [line async for line in reader] == []
    await asyncio.wait([call])
    assert call.cancelled()
    os.close(read_end)


class EndsDuringTheMessage(threading.Event):
    """An event that is set when it is checked for the third time."""

    checks = 0

    def is_set(self) -> bool:
        self.checks += 1
        return self.checks > 2


async def test_nothing_is_written_after_the_end_of_stdin() -> None:
    read_end, write_end = os.pipe()
    writer = StdoutWriter(fd=write_end, ended=EndsDuringTheMessage())
    await writer.write("x" * (10 * WRITE_BYTES))
    await writer.write("after\n")
    os.close(write_end)
    with os.fdopen(read_end) as stdout:
        assert stdout.read() == "x" * (2 * WRITE_BYTES)


async def test_a_client_that_is_gone_is_no_error() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    await StdoutWriter(fd=write_end, ended=threading.Event()).write("x\n")
    os.close(write_end)
