"""`a2r mcp` over HTTP as a process: shutdown, disconnects, and access."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from aiohttp import web

from a2r.interfaces.http.api_keys import add_key
from tests.support.fake_openai import (
    FakeOpenAI,
    ScriptedReply,
    boxed,
    config_for,
    fake_openai,
    replies,
)
from tests.support.mcp import ROOT, SECONDS, HttpServer, command, result_text, written
from tests.support.mcp_client import ERAS, Client, http_transport
from tests.support.preloaded_python import python
from tests.support.up import eventually

pytestmark = pytest.mark.integration

QUESTION = {"question": "What is 2 + 2?"}


def hanging(folder: Path, fake: FakeOpenAI, *options: str) -> HttpServer:
    return HttpServer(command([written(folder, "mine", config_for(fake.url))], *options))


def asking(url: str, era: str = ERAS[0]) -> subprocess.Popen[bytes]:
    """A client in a separate process, which calls the tool and waits for the result."""
    program = (
        "import asyncio, sys; from tests.support.mcp_client import Client\n"
        "async def main():\n"
        "    async with Client(sys.argv[1], mode=sys.argv[2]) as client:\n"
        f"        await client.call_tool('solve', {QUESTION})\n"
        "asyncio.run(main())"
    )
    return subprocess.Popen(
        [python(), "-c", program, url, era], cwd=ROOT, stderr=subprocess.DEVNULL
    )


async def test_a_disconnected_client_cancels_its_run(tmp_path: Path) -> None:
    with (
        fake_openai(lambda *_: ScriptedReply(hang=True)) as fake,
        hanging(tmp_path, fake) as server,
    ):
        for number, era in enumerate(ERAS, 1):
            client = asking(server.url, era)
            await fake.request_log.until(lambda log, n=number: len(log.requests) == 4 * n)
            assert fake.request_log.cancelled == 4 * (number - 1)
            client.kill()
            client.wait(SECONDS)
            await fake.request_log.until(lambda log, n=number: log.cancelled == 4 * n)


async def test_shutdown_cancels_calls_that_do_not_finish_in_time(tmp_path: Path) -> None:
    with (
        fake_openai(lambda *_: ScriptedReply(hang=True)) as fake,
        hanging(tmp_path, fake, "--grace", "0.1") as server,
    ):
        async with (
            Client(server.url, mode=ERAS[0]) as new,
            Client(server.url, mode="legacy") as old,
        ):
            calls = [asyncio.create_task(c.call_tool("solve", QUESTION)) for c in (new, old)]
            await fake.request_log.until(lambda log: len(log.requests) == 8)
            server.process.send_signal(signal.SIGTERM)
            for result in await asyncio.gather(*calls):
                assert result.is_error
                assert result_text(result) == "server shutting down; run cancelled"
            await fake.request_log.until(lambda log: log.cancelled == 8)
        assert server.exit_code() == 0
    assert [
        line for line in server.stderr_lines if "Traceback" in line or "Exception" in line
    ] == []


class BlockingFake(FakeOpenAI):
    """Blocks every reply until it is released."""

    def __init__(self) -> None:
        super().__init__(replies(small=boxed("4")))
        self.released = threading.Event()

    async def _answer(
        self, request: web.Request, body: dict[str, Any], scripted: ScriptedReply
    ) -> web.StreamResponse:
        await asyncio.to_thread(self.released.wait)
        return await super()._answer(request, body, scripted)


@pytest.mark.parametrize("era", ERAS)
async def test_shutdown_waits_for_running_calls(era: str, tmp_path: Path) -> None:
    with BlockingFake() as fake, hanging(tmp_path, fake, "--grace", "60") as server:
        async with Client(server.url, mode=era) as client:
            # The client validates results with the tool's schema, which it would fetch later.
            await client.list_tools()
            calling = asyncio.create_task(client.call_tool("solve", QUESTION))
            await fake.request_log.until(lambda log: len(log.requests) == 4)
            server.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(eventually, lambda: not listens(server.url))
            fake.released.set()
            result = await calling
        assert server.exit_code() == 0
    assert result.structured_content is not None
    assert result.structured_content["answer"] == "4"


async def test_a_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    with (
        fake_openai(lambda *_: ScriptedReply(hang=True)) as fake,
        hanging(tmp_path, fake, "--grace", "60") as server,
    ):
        client = asking(server.url)
        await fake.request_log.until(lambda log: len(log.requests) == 4)
        server.process.send_signal(signal.SIGINT)
        await asyncio.to_thread(eventually, lambda: not listens(server.url))
        server.process.send_signal(signal.SIGINT)
        assert server.exit_code() == 130
        await fake.request_log.until(lambda log: log.cancelled == 4)
        # The client of the SDK 1.x does not notice that the server is gone.
        client.kill()
        client.wait(SECONDS)


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_that_cancels_and_disconnects_causes_no_error(
    tmp_path: Path, era: str
) -> None:
    with (
        fake_openai(lambda *_: ScriptedReply(hang=True)) as fake,
        hanging(tmp_path, fake) as server,
    ):
        for count in (4, 8, 12):
            async with Client(server.url, mode=era) as client, anyio.create_task_group() as group:
                group.start_soon(client.call_tool, "solve", QUESTION)
                await fake.request_log.until(lambda log, n=count: len(log.requests) == n)
                group.cancel_scope.cancel()
        await fake.request_log.until(lambda log: log.cancelled == 12)
        server.process.send_signal(signal.SIGTERM)
        assert server.exit_code() == 0
    assert "Traceback" not in "".join(server.stderr_lines)


def listens(url: str) -> bool:
    address = httpx2.URL(url)
    try:
        socket.create_connection((address.host, address.port or 80), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


PING = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
ACCEPT = {"Accept": "application/json, text/event-stream"}


@asynccontextmanager
async def with_key(url: str, key: str, era: str) -> AsyncIterator[Client]:
    transport = http_transport(url, {"Authorization": f"Bearer {key}"})
    async with Client(transport, mode=era) as client:
        yield client


async def test_keys(tmp_path: Path) -> None:
    keys = tmp_path / "keys.yaml"
    mine, other = add_key(keys, "mine"), add_key(keys, "other")
    with (
        fake_openai(replies(small=boxed("4"))) as fake,
        hanging(tmp_path, fake, "--keys", str(keys)) as server,
        httpx2.Client(headers=ACCEPT) as http,
    ):
        for era in ERAS:
            async with with_key(server.url, mine, era) as client:
                result = await client.call_tool("solve", QUESTION)
                assert result.structured_content is not None
        for refused in ({}, {"Authorization": "Bearer nobody"}, {"Authorization": mine}):
            reply = http.post(server.url, json=PING, headers=refused)
            assert (reply.status_code, reply.headers["WWW-Authenticate"]) == (401, "Bearer")
        opened = http.post(server.url, json=PING, headers={"Authorization": f"Bearer {mine}"})
        session = {"Mcp-Session-Id": opened.headers["Mcp-Session-Id"]}
        ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
        codes = [
            http.post(server.url, json=ping, headers=session | {"Authorization": f"Bearer {key}"})
            for key in (mine, other)
        ]
        assert [code.status_code for code in codes] == [200, 404]
        keys.write_text("".join(line for line in keys.open() if not line.startswith("mine:")))
        gone = http.post(server.url, json=PING, headers={"Authorization": f"Bearer {mine}"})
        assert gone.status_code == 401
        keys.write_text("mine: no hash")
        broken = http.post(server.url, json=PING, headers={"Authorization": f"Bearer {other}"})
        assert broken.status_code == 503
    assert len(fake.request_log.requests) == 4 * len(ERAS)
    assert mine not in "".join(server.stderr_lines)


def test_foreign_web_pages_are_rejected_on_loopback(tmp_path: Path) -> None:
    with (
        fake_openai(replies(small=boxed("4"))) as fake,
        hanging(tmp_path, fake) as server,
        httpx2.Client(headers=ACCEPT) as http,
    ):
        assert http.post(server.url, json=PING).status_code == 200
        assert http.post(server.url, json=PING, headers={"Host": "evil.example"}).status_code == 421
        evil = {"Origin": "http://evil.example"}
        assert http.post(server.url, json=PING, headers=evil).status_code == 403
        big = {**PING, "padding": "x" * (5 << 20)}
        assert http.post(server.url, json=big).status_code == 413
        port = httpx2.URL(server.url).port
        completed = subprocess.run(
            [python(), *command(["tiny"]), "--transport", "http", "--port", str(port)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert completed.returncode == 3
    assert completed.stderr == (
        f"a2r: 127.0.0.1:{port}: Address already in use: choose another --port or --host\n"
    )
