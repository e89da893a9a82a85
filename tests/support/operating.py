"""Helpers for tests of the server's operation: an endpoint with blocked replies, raw HTTP."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from a2r.interfaces.http.settings import ServerSettings
from tests.support.fake_openai import FakeOpenAI, Script, ScriptedReply, fake_openai
from tests.support.serving import Hosted, hosted, written

COMPLETIONS = "/v1/chat/completions"
QUESTION = "What is 2+2?"
STALLED = "stalled"
SECONDS = 20.0


class BlockingServer(FakeOpenAI):
    """Replies with `hang` wait for `release()`; finish reason `stalled` hangs at the end."""

    def __init__(self, script: Script) -> None:
        super().__init__(script)
        self._released = asyncio.Event()

    def release(self) -> None:
        """Release all blocked and all later replies."""
        self._loop.call_soon_threadsafe(self._released.set)

    async def _answer(
        self, request: web.Request, body: dict[str, Any], scripted: ScriptedReply
    ) -> web.StreamResponse:
        if scripted.hang:
            await self._released.wait()
        return await super()._answer(request, body, replace(scripted, hang=False))

    async def _stream(
        self, request: web.Request, body: dict[str, Any], scripted: ScriptedReply
    ) -> web.StreamResponse:
        if scripted.finish_reason != STALLED:
            return await super()._stream(request, body, scripted)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        chunk = {
            "id": "c",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": body["model"],
            "choices": [{"index": 0, "delta": {"content": scripted.text}, "finish_reason": None}],
        }
        await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        await self._released.wait()
        return response


@contextmanager
def blocking_server(script: Script) -> Iterator[BlockingServer]:
    """Run a server whose replies can be blocked."""
    with BlockingServer(script) as server:
        try:
            yield server
        finally:
            server.release()


def request_body(question: str = QUESTION, **fields: Any) -> dict[str, Any]:
    """Return the body of a request to the model "mine"."""
    return {"model": "mine", "messages": [{"role": "user", "content": question}], **fields}


def error_fields(response: httpx.Response) -> dict[str, Any]:
    """Return the error of a response; check that it has exactly the fields of OpenAI's API."""
    body = response.json()
    assert set(body) == {"error"}, body
    error: dict[str, Any] = body["error"]
    assert set(error) == {"message", "type", "param", "code"}, error
    assert isinstance(error["message"], str)
    assert error["message"]
    return error


Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def read_metrics(text: str) -> Samples:
    """Parse the text of /metrics by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def metric(samples: Samples, name: str, **labels: str) -> float | None:
    """Return the value of a metric."""
    return samples.get((name, tuple(sorted(labels.items()))))


async def until_gauges(client: httpx.AsyncClient, **wanted: float) -> None:
    """Poll the metrics until gauges without labels have these values."""
    async with asyncio.timeout(SECONDS):
        while True:
            samples = read_metrics((await client.get("/metrics")).text)
            if all(metric(samples, name) == value for name, value in wanted.items()):
                return


async def until_counted(client: httpx.AsyncClient, count: int, **labels: str) -> None:
    """Poll the metrics until `count` requests have finished."""
    async with asyncio.timeout(SECONDS):
        while True:
            samples = read_metrics((await client.get("/metrics")).text)
            if metric(samples, "a2r_requests_total", **labels) == count:
                return


def address(url: str) -> tuple[str, int]:
    """Return host and port of a URL."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def closed_port() -> int:
    """Return a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


async def send_raw(url: str, *parts: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send raw bytes, and read one response with a content length."""
    reader, writer = await asyncio.open_connection(*address(url))
    try:
        async with asyncio.timeout(SECONDS):
            for piece in parts:
                writer.write(piece)
                await writer.drain()
            return await read_reply(reader)
    finally:
        writer.close()


async def read_reply(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers by lower-case name, and body of a response with a length."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    match = re.match(r"HTTP/1\.1 (\d{3}) ", head)
    assert match, head
    lines = [line.partition(":") for line in head.split("\r\n")[1:] if line]
    headers = {name.strip().lower(): value.strip() for name, _, value in lines}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return int(match[1]), headers, body


@asynccontextmanager
async def running(
    folder: Path, script: Script, settings: ServerSettings | None = None, **changes: Any
) -> AsyncIterator[tuple[FakeOpenAI, Hosted, httpx.AsyncClient]]:
    with (
        fake_openai(script) as upstream,
        hosted(written(folder, upstream.url, explorer__retries=0, **changes), settings) as server,
    ):
        async with httpx.AsyncClient(base_url=server.root, timeout=SECONDS) as client:
            yield upstream, server, client
