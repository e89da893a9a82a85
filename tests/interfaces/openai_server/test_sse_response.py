"""The response of server-sent events: events, and keep-alive comments."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, MutableMapping
from typing import Any

import pytest

from a2r.interfaces.openai_server.sse_response import COMMENT, SSEResponse

Message = MutableMapping[str, Any]
LONG = 60.0


class Client:
    """Records ASGI messages."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.received = asyncio.Event()

    async def send(self, message: Message) -> None:
        self.messages.append(message)
        self.received.set()

    async def receive(self) -> Message:
        raise AssertionError("receive was called")

    @property
    def bodies(self) -> list[bytes]:
        return [
            message["body"] for message in self.messages if message["type"] == "http.response.body"
        ]


async def test_events_are_sent_unchanged_and_the_stream_ends() -> None:
    async def events() -> AsyncGenerator[bytes, None]:
        yield b"data: 1\n\n"
        yield b"data: 2\n\n"

    client = Client()
    await SSEResponse(events(), ping_interval=LONG)({}, client.receive, client.send)
    head = dict(client.messages[0]["headers"])
    assert head[b"content-type"] == b"text/event-stream; charset=utf-8"
    assert (head[b"cache-control"], head[b"x-accel-buffering"]) == (b"no-store", b"no")
    assert b"content-length" not in head
    assert client.bodies == [b"data: 1\n\n", b"data: 2\n\n", b""]
    assert [message.get("more_body") for message in client.messages[1:]] == [True, True, False]


async def test_idle_time_is_filled_with_comments_until_the_end() -> None:
    client = Client()

    async def events() -> AsyncGenerator[bytes, None]:
        yield b"data: 1\n\n"
        while client.bodies.count(COMMENT) < 2:
            client.received.clear()
            await client.received.wait()
        yield b"data: 2\n\n"

    await SSEResponse(events(), ping_interval=0.001)({}, client.receive, client.send)
    assert client.bodies[0] == b"data: 1\n\n"
    assert client.bodies[-1] == b""
    assert set(client.bodies) == {b"data: 1\n\n", COMMENT, b"data: 2\n\n", b""}
    assert asyncio.all_tasks() - {asyncio.current_task()} == set()


async def test_an_error_of_the_events_is_raised() -> None:
    async def events() -> AsyncGenerator[bytes, None]:
        yield b"data: 1\n\n"
        raise TimeoutError("of the run")

    client = Client()
    with pytest.raises(TimeoutError, match="of the run"):
        await SSEResponse(events(), ping_interval=LONG)({}, client.receive, client.send)
