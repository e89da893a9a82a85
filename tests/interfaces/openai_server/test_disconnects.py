"""Clients that disconnect, wait or read slowly: calls are cancelled, and nothing leaks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from a2r.interfaces.http.settings import ServerSettings
from tests.support.fake_openai import Script, ScriptedReply, boxed, replies
from tests.support.operating import (
    COMPLETIONS,
    SECONDS,
    STALLED,
    BlockingServer,
    address,
    blocking_server,
    error_fields,
    metric,
    read_metrics,
    read_reply,
    request_body,
    send_raw,
    until_counted,
    until_gauges,
)
from tests.support.serving import Hosted, hosted, served, written

pytestmark = pytest.mark.integration

HANGING = replies(small=ScriptedReply(text="\\boxed{4}", hang=True), big=boxed("4"))
PARTLY = "I read them all and so far"
SYNTHESIS_STALLS = replies(
    small=[boxed("4"), boxed("5"), boxed("6"), boxed("7")],
    big=ScriptedReply(text=PARTLY, finish_reason=STALLED),
)
IDLE = {"a2r_requests_running": 0.0, "a2r_requests_waiting": 0.0}


@asynccontextmanager
async def running(
    folder: Path, script: Script = HANGING, **settings: Any
) -> AsyncIterator[tuple[BlockingServer, Hosted, httpx.AsyncClient]]:
    with (
        blocking_server(script) as upstream,
        hosted(written(folder, upstream.url), ServerSettings(**settings)) as server,
    ):
        async with httpx.AsyncClient(base_url=server.root, timeout=SECONDS) as client:
            yield upstream, server, client


async def open_raw_request(url: str, body: dict[str, Any]) -> asyncio.StreamWriter:
    """Send a request on a new connection without reading the reply."""
    _, writer = await asyncio.open_connection(*address(url))
    writer.write(raw_request(body))
    await writer.drain()
    return writer


def raw_request(body: dict[str, Any], *, length: int | None = None, more: str = "") -> bytes:
    content = json.dumps(body).encode()
    declared = len(content) if length is None else length
    head = (
        f"POST {COMPLETIONS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {declared}\r\n{more}\r\n"
    )
    return head.encode() + content


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_disconnect_during_sampling(tmp_path: Path, stream: bool, n: int) -> None:
    async with running(tmp_path) as (upstream, server, client):
        writer = await open_raw_request(server.root, request_body(stream=stream, n=n))
        await upstream.request_log.until(lambda log: log.outstanding == 4 * n)
        writer.close()
        await upstream.request_log.until(lambda log: log.outstanding == 0)
        assert upstream.request_log.cancelled == 4 * n
        labels = {"model": "mine", "status": "499", "stream": str(stream).lower()}
        await until_counted(client, 1, **labels)
        await until_gauges(client, **IDLE)
        metrics = read_metrics((await client.get("/metrics")).text)
        assert metric(metrics, "a2r_calls_total", config="mine", role="explorer") == 4 * n


async def test_a_disconnect_during_synthesis(tmp_path: Path) -> None:
    async with running(tmp_path, SYNTHESIS_STALLS) as (upstream, _, client):
        async with client.stream("POST", COMPLETIONS, json=request_body(stream=True)) as response:
            async for line in response.aiter_lines():
                if PARTLY in line:
                    break
        await upstream.request_log.until(lambda log: log.outstanding == 0)
        assert upstream.request_log.cancelled == 1
        await until_gauges(client, **IDLE)


async def test_the_log_says_499(tmp_path: Path) -> None:
    with blocking_server(HANGING) as upstream, served(written(tmp_path, upstream.url)) as server:
        for stream in (True, False):
            writer = await open_raw_request(server.root, request_body(stream=stream))
            await upstream.request_log.until(lambda log: log.outstanding == 4)
            writer.close()
            await upstream.request_log.until(lambda log: log.outstanding == 0)
        line = await asyncio.to_thread(server.until, "request", 2, path=COMPLETIONS)
        assert line["run"]
        lines = server.events("request", path=COMPLETIONS, status=499)
        assert len(lines) == 2
        assert not server.events("request failed")
        assert all(line.startswith("{") for line in server.lines)


async def test_requests_beyond_the_queue_are_rejected(tmp_path: Path) -> None:
    async with running(tmp_path, concurrency=1, queue=1) as (upstream, server, client):
        first = asyncio.create_task(client.post(COMPLETIONS, json=request_body(stream=True)))
        await upstream.request_log.until(lambda log: log.outstanding == 4)
        second = await open_raw_request(server.root, request_body())
        await until_gauges(client, a2r_requests_running=1.0, a2r_requests_waiting=1.0)
        for stream in (True, False):
            refused = await client.post(COMPLETIONS, json=request_body(stream=stream))
            assert refused.status_code == 429
            assert error_fields(refused)["code"] == "rate_limit_exceeded"
            assert 1 <= int(refused.headers["Retry-After"]) <= 60
        second.close()
        await until_gauges(client, a2r_requests_running=1.0, a2r_requests_waiting=0.0)
        third = asyncio.create_task(client.post(COMPLETIONS, json=request_body()))
        await until_gauges(client, a2r_requests_running=1.0, a2r_requests_waiting=1.0)
        assert len(upstream.request_log.requests) == 4
        upstream.release()
        assert [(await task).status_code for task in (first, third)] == [200, 200]
        assert len(upstream.request_log.requests) == 8
        await until_gauges(client, **IDLE)


async def test_many_concurrent_disconnects(tmp_path: Path) -> None:
    async with running(tmp_path, concurrency=4, queue=20) as (upstream, server, client):
        writers = [
            await open_raw_request(server.root, request_body(stream=n % 2 == 0)) for n in range(24)
        ]
        await until_gauges(client, a2r_requests_running=4.0, a2r_requests_waiting=20.0)
        for writer in writers:
            writer.close()
        await until_gauges(client, **IDLE)
        await upstream.request_log.until(lambda log: log.outstanding == 0)
        assert upstream.request_log.cancelled == len(upstream.request_log.requests)
        upstream.release()
        assert (await client.post(COMPLETIONS, json=request_body())).status_code == 200


async def test_a_disconnect_before_the_complete_body(tmp_path: Path) -> None:
    async with running(tmp_path) as (upstream, server, client):
        _, writer = await asyncio.open_connection(*address(server.root))
        writer.write(raw_request(request_body(), length=100_000))
        await writer.drain()
        writer.close()
        labels = {"model": "", "status": "499", "stream": "false"}
        await until_counted(client, 1, **labels)
        assert not upstream.request_log.requests, "a run was started with an incomplete body"


async def test_a_body_that_never_arrives(tmp_path: Path) -> None:
    async with running(tmp_path, body_seconds=0.2) as (_, server, _client):
        reader, writer = await asyncio.open_connection(*address(server.root))
        writer.write(raw_request(request_body(), length=100_000))
        status, headers, body = await read_reply(reader)
        assert (status, headers["connection"]) == (408, "close")
        assert json.loads(body)["error"]["type"] == "invalid_request_error"
        assert await reader.read() == b""
        writer.close()


async def test_a_body_above_the_limit(tmp_path: Path) -> None:
    async with running(tmp_path, body_bytes=1000) as (_, server, client):
        oversized = raw_request(request_body(), length=10**9)
        status, _, body = await send_raw(server.root, oversized)
        assert (status, json.loads(body)["error"]["type"]) == (413, "invalid_request_error")
        # With `Expect`, a client waits for the status before it sends the body.
        head, _, _ = raw_request(request_body(), length=10**9).partition(b"\r\n\r\n")
        status, _, _ = await send_raw(server.root, head + b"\r\nExpect: 100-continue\r\n\r\n")
        assert status == 413
        chunked = head.replace(b"Content-Length: 1000000000", b"Transfer-Encoding: chunked")
        pieces = [b"%x\r\n%s\r\n" % (500, b" " * 500)] * 40
        status, _, _ = await send_raw(server.root, chunked + b"\r\n\r\n", *pieces)
        assert status == 413
        big = await client.post(COMPLETIONS, json=request_body("x" * 100_000))
        assert big.status_code == 413
        assert error_fields(big)["message"].endswith("at most 1000 bytes.")


async def test_pipelined_requests_are_answered_in_order(tmp_path: Path) -> None:
    async with running(tmp_path, replies(small=boxed("4"))) as (_, server, _client):
        reader, writer = await asyncio.open_connection(*address(server.root))
        two = [raw_request(request_body(), more=f"X-Request-Id: pipe-{n}\r\n") for n in range(2)]
        writer.write(b"".join(two))
        for n in range(2):
            status, headers, _ = await read_reply(reader)
            assert (status, headers["x-request-id"]) == (200, f"pipe-{n}")
        writer.close()


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Content-Length: 2\r\nContent-Length: 3",
        "Content-Length: +2",
        "Content-Length: 99999999999999999999999999",
        "Transfer-Encoding: xchunked",
        "X-Request-Id: a\rX-Evil: b",
        "Transfer-Encoding : chunked",
    ],
)
async def test_request_smuggling_is_rejected(tmp_path: Path, head: str) -> None:
    async with running(tmp_path) as (upstream, server, _client):
        smuggled = b"0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
        start = f"POST {COMPLETIONS} HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode()
        reader, writer = await asyncio.open_connection(*address(server.root))
        writer.write(start + smuggled)
        async with asyncio.timeout(SECONDS):
            answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert answer.count(b"HTTP/1.1 ") == 1
        assert not upstream.request_log.requests
        writer.close()
