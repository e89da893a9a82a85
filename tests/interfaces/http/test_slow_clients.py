"""Slow clients of the servers, also with few file descriptors: they end, others are served."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests.support.fake_openai import boxed, config_for, fake_openai, replies
from tests.support.mcp import HttpServer, command
from tests.support.mcp import written as written_for_mcp
from tests.support.mcp_client import Client
from tests.support.operating import COMPLETIONS, SECONDS, address, request_body
from tests.support.serving import Served, served, written

pytestmark = pytest.mark.integration

CLIENTS = 300
OPEN_FILES = 256
SHORT = ("--head-timeout", "0.5", "--send-timeout", "0.5", "--keep-alive", "1")
GET = "GET {} HTTP/1.1\r\nHost: x\r\n"
HEALTH = GET.format("/health").encode() + b"\r\n"
HALF_HEAD = HEALTH[:-6]
BODY = json.dumps(request_body()).encode()
HALF_BODY = (
    f"POST {COMPLETIONS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    f"Content-Length: {len(BODY)}\r\n\r\n"
).encode() + BODY[:-1]
# Responses of more bytes than the buffers of both sides hold.
UNREAD = (GET.format("/openapi.json").encode() + b"\r\n") * 400
SLOW = {"head": HALF_HEAD, "body": HALF_BODY, "read": UNREAD, "idle": HEALTH, "nothing": b""}


class SlowClient:
    """A connection that sends some bytes, and reads nothing before `until_closed`."""

    def __init__(self, url: str, data: bytes) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(SECONDS)
        self.socket.connect(address(url))
        self.socket.sendall(data)

    def until_closed(self) -> bytes:
        """Read until the server closes the connection; return what it sent."""
        received = b""
        try:
            while data := self.socket.recv(1 << 16):
                received += data
        except ConnectionResetError:
            pass
        finally:
            self.socket.close()
        return received


@asynccontextmanager
async def running(
    folder: Path, *options: str, open_files: int | None = None
) -> AsyncIterator[tuple[Served, httpx.AsyncClient]]:
    with (
        fake_openai(replies(small=boxed("4"))) as upstream,
        served(written(folder, upstream.url), *options, open_files=open_files) as server,
    ):
        async with httpx.AsyncClient(base_url=server.root, timeout=SECONDS) as client:
            yield server, client


async def open_clients(url: str, count: int, data: bytes) -> list[SlowClient]:
    return await asyncio.to_thread(lambda: [SlowClient(url, data) for _ in range(count)])


async def until_all_closed(clients: list[SlowClient]) -> None:
    await asyncio.to_thread(lambda: [client.until_closed() for client in clients])


async def assert_answered(client: httpx.AsyncClient) -> None:
    response = await client.post(COMPLETIONS, json=request_body())
    assert response.status_code == 200
    assert "\\boxed{4}" in response.json()["choices"][0]["message"]["content"]


@pytest.mark.parametrize("kind", SLOW)
async def test_others_are_served_at_few_open_files(tmp_path: Path, kind: str) -> None:
    async with running(tmp_path, open_files=OPEN_FILES) as (server, client):
        slow = await open_clients(server.root, CLIENTS, SLOW[kind])
        for _ in range(3):
            await assert_answered(client)
        line = await asyncio.to_thread(server.until, "slow clients")
        assert line["open"] <= OPEN_FILES // 4
        assert len(server.events("slow clients")) == 1
        for one in slow:
            one.socket.close()
        assert all(text.startswith("{") for text in server.lines), server.lines
        assert not server.events("request", status=499)


async def test_others_are_served_when_no_connection_can_be_accepted(tmp_path: Path) -> None:
    limits = ("--max-connections", "1000", "--max-client-connections", "1000")
    async with running(tmp_path, *limits, *SHORT, open_files=OPEN_FILES) as (server, client):
        slow = await open_clients(server.root, CLIENTS, HALF_HEAD)
        line = await asyncio.to_thread(server.until, "slow clients")
        assert line["not_accepted"] > 0
        assert (await client.get("/health")).status_code == 200
        await until_all_closed(slow)
        await assert_answered(client)
        assert len(server.events("slow clients")) == 1
        assert all(text.startswith("{") for text in server.lines), server.lines


@pytest.mark.parametrize(
    ("kind", "incident"),
    [("head", "slow_heads"), ("nothing", "slow_heads"), ("read", "slow_reads")],
)
async def test_a_slow_client_is_disconnected(tmp_path: Path, kind: str, incident: str) -> None:
    async with running(tmp_path, *SHORT) as (server, client):
        slow = (await open_clients(server.root, 1, SLOW[kind]))[0]
        line = await asyncio.to_thread(server.until, "slow clients")
        assert (line[incident], line["open"]) == (1, 0)
        await asyncio.to_thread(slow.until_closed)
        await assert_answered(client)


async def test_a_slow_body_ends_with_408(tmp_path: Path) -> None:
    async with running(tmp_path, "--body-timeout", "0.5", "--log-level", "debug") as (server, _):
        slow = (await open_clients(server.root, 1, HALF_BODY))[0]
        assert (await asyncio.to_thread(slow.until_closed)).startswith(b"HTTP/1.1 408 ")
        line = await asyncio.to_thread(server.until, "slow clients")
        assert line["slow_bodies"] == 1
        (request,) = server.events("request", status=408)
        assert request["level"] == "debug"


@pytest.mark.parametrize("more", [b"", HALF_HEAD])
async def test_an_idle_connection_is_closed(tmp_path: Path, more: bytes) -> None:
    async with running(tmp_path, *SHORT) as (server, _):
        idle = (await open_clients(server.root, 1, HEALTH + more))[0]
        received = await asyncio.to_thread(idle.until_closed)
        assert received.count(b"HTTP/1.1 200 ") == 1


async def test_a_body_that_trickles_after_the_response_ends(tmp_path: Path) -> None:
    async with running(tmp_path, *SHORT, "--max-body", "10") as (server, _):
        slow = (await open_clients(server.root, 1, HALF_BODY))[0]
        received = await asyncio.to_thread(slow.until_closed)
        assert received.startswith(b"HTTP/1.1 413 ")


async def test_a_head_without_end_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as (server, _):
        head = GET.format("/health").encode() + b"X-Long: " + b"x" * (1 << 17)
        long = (await open_clients(server.root, 1, head))[0]
        received = await asyncio.to_thread(long.until_closed)
        assert received.startswith(b"HTTP/1.1 400 ") or not received


async def test_invalid_requests_are_one_log_line(tmp_path: Path) -> None:
    async with running(tmp_path) as (server, client):
        clients = await open_clients(server.root, 20, b"no HTTP\r\n\r\n")
        await until_all_closed(clients)
        assert (await client.get("/health")).status_code == 200
        line = await asyncio.to_thread(server.until, "slow clients")
        assert line["invalid_requests"] > 0
        assert len(server.events("slow clients")) == 1
        assert all(text.startswith("{") for text in server.lines), server.lines


async def test_connections_beyond_running_requests_are_refused(tmp_path: Path) -> None:
    limits = ("--max-connections", "3", "--max-client-connections", "2")
    with (
        fake_openai(replies(small=replace(boxed("4"), hang=True))) as upstream,
        served(written(tmp_path, upstream.url), *limits) as server,
    ):
        running_clients = []
        for count in (1, 2):
            running_clients += await open_clients(server.root, 1, HALF_BODY + BODY[-1:])
            await upstream.request_log.until(lambda log, n=count: log.outstanding == 4 * n)
        refused = (await open_clients(server.root, 1, b""))[0]
        received = await asyncio.to_thread(refused.until_closed)
        head, _, body = received.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 429 ")
        assert b"retry-after: 1" in head
        assert json.loads(body)["error"]["code"] == "too_many_connections"
        assert upstream.request_log.outstanding == 8
        for one in running_clients:
            one.socket.close()


@pytest.mark.parametrize("data", [HALF_HEAD, HALF_BODY.replace(COMPLETIONS.encode(), b"/mcp")])
async def test_slow_clients_of_the_mcp_server(tmp_path: Path, data: bytes) -> None:
    limits = ("--max-connections", "32", "--head-timeout", "0.5", "--body-timeout", "0.5")
    with fake_openai(replies(small=boxed("4"))) as upstream:
        arguments = command([written_for_mcp(tmp_path, "mine", config_for(upstream.url))], *limits)
        with HttpServer(arguments) as server:
            slow = await open_clients(server.url, 100, data)
            async with Client(server.url) as client:
                result = await client.call_tool("solve", {"question": "What is 2 + 2?"})
                assert result.structured_content["answer"] == "4"
            await until_all_closed(slow)
        lines = [line for line in server.stderr_lines if "slow clients" in line]
        assert len(lines) == 1
