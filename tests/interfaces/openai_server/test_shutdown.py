"""The shutdown of `a2r serve`: requests finish in time or are cancelled, exit code 0."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
from pathlib import Path

import httpx
import pytest

from a2r.errors import ServingError
from a2r.interfaces.http.sockets import bind, listen
from tests.support.fake_openai import ScriptedReply, replies
from tests.support.operating import (
    COMPLETIONS,
    SECONDS,
    BlockingServer,
    address,
    blocking_server,
    error_fields,
    request_body,
)
from tests.support.preloaded_python import python
from tests.support.serving import Served, served, written

pytestmark = pytest.mark.integration

SIGNALS = [signal.SIGTERM, signal.SIGINT]
HANGING = replies(
    small=ScriptedReply(text="\\boxed{4}", hang=True), big=ScriptedReply(text="\\boxed{4}")
)


async def until_refused(url: str) -> None:
    """Connect until connections are refused."""
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection(*address(url))
            except ConnectionError:
                # Refused, or reset if the connection was in the backlog of the closed listener.
                return
            writer.close()


async def exit_code(server: Served) -> int:
    return await asyncio.to_thread(server.exit_code)


def event_data(text: str) -> list[str]:
    return [line.removeprefix("data: ") for line in text.split("\n") if line.startswith("data: ")]


def check_lines(server: Served) -> None:
    for line in server.lines:
        assert isinstance(json.loads(line), dict), f"not JSON: {line}"


@pytest.mark.parametrize("stop", SIGNALS)
@pytest.mark.parametrize("stream", [True, False])
async def test_running_requests_finish(tmp_path: Path, stop: signal.Signals, stream: bool) -> None:
    with blocking_server(HANGING) as upstream, served(written(tmp_path, upstream.url)) as server:
        async with httpx.AsyncClient(base_url=server.root, timeout=SECONDS) as client:
            task = asyncio.create_task(client.post(COMPLETIONS, json=request_body(stream=stream)))
            await upstream.request_log.until(lambda log: log.outstanding == 4)
            server.process.send_signal(stop)
            await until_refused(server.root)
            upstream.release()
            response = await task
        assert await exit_code(server) == 0
    assert response.status_code == 200
    if stream:
        assert event_data(response.text)[-1] == "[DONE]"
    else:
        assert response.json()["choices"][0]["finish_reason"] == "stop"
    assert (upstream.request_log.cancelled, upstream.request_log.outstanding) == (0, 0)
    assert server.until("request", path=COMPLETIONS)["status"] == 200
    check_lines(server)


@pytest.mark.parametrize("stop", SIGNALS)
@pytest.mark.parametrize("stream", [True, False])
async def test_hanging_requests_are_cancelled_with_an_error(
    tmp_path: Path, stop: signal.Signals, stream: bool
) -> None:
    with (
        blocking_server(HANGING) as upstream,
        served(written(tmp_path, upstream.url), "--grace", "0.3") as server,
    ):
        async with httpx.AsyncClient(base_url=server.root, timeout=SECONDS) as client:
            task = asyncio.create_task(client.post(COMPLETIONS, json=request_body(stream=stream)))
            await upstream.request_log.until(lambda log: log.outstanding == 4)
            server.process.send_signal(stop)
            response = await task
        assert await exit_code(server) == 0
        await upstream.request_log.until(lambda log: log.outstanding == 0)
        assert upstream.request_log.cancelled == 4
    if stream:
        error = json.loads(event_data(response.text)[-1])["error"]
    else:
        assert response.status_code == 503
        error = error_fields(response)
    assert (error["type"], error["code"]) == ("server_error", "shutting_down")
    check_lines(server)


async def test_queued_requests_are_cancelled_with_an_error(tmp_path: Path) -> None:
    limits = ("--concurrency", "1", "--grace", "0.3")
    with (
        blocking_server(HANGING) as upstream,
        served(written(tmp_path, upstream.url), *limits) as server,
    ):
        async with httpx.AsyncClient(base_url=server.root, timeout=SECONDS) as client:
            running = asyncio.create_task(client.post(COMPLETIONS, json=request_body(stream=True)))
            await upstream.request_log.until(lambda log: log.outstanding == 4)
            waiting = [
                asyncio.create_task(client.post(COMPLETIONS, json=request_body(stream=stream)))
                for stream in (False, True, False)
            ]
            await until_waiting(client, 3)
            server.process.send_signal(signal.SIGTERM)
            responses = await asyncio.gather(running, *waiting)
        assert await exit_code(server) == 0
        await upstream.request_log.until(lambda log: log.outstanding == 0)
        assert len(upstream.request_log.requests) == 4
    assert [response.status_code for response in responses] == [200, 503, 503, 503]
    check_lines(server)


async def until_waiting(client: httpx.AsyncClient, count: int) -> None:
    async with asyncio.timeout(SECONDS):
        while f"a2r_requests_waiting {count}.0" not in (await client.get("/metrics")).text:
            pass


async def test_an_idle_connection_does_not_delay_the_shutdown(tmp_path: Path) -> None:
    with BlockingServer(HANGING) as upstream, served(written(tmp_path, upstream.url)) as server:
        _, idle = await asyncio.open_connection(*address(server.root))
        async with httpx.AsyncClient(base_url=server.root) as client:
            assert (await client.get("/health")).status_code == 200
            server.process.send_signal(signal.SIGTERM)
            assert await exit_code(server) == 0
        idle.close()


def test_small_writes_are_sent_immediately() -> None:
    """Asyncio sets TCP_NODELAY on connections only if the listener has the protocol TCP."""
    with bind("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_two_servers_on_one_port() -> None:
    with bind("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with bind("127.0.0.1", port) as second:
            listen(first)
            with pytest.raises(ServingError, match=f"127.0.0.1:{port}: Address already in use"):
                listen(second)


@pytest.mark.parametrize("host", ["256.1.1.1", "ü" * 70])
def test_an_invalid_host(host: str) -> None:
    with pytest.raises(ServingError, match="choose another --port or --host"):
        bind(host, 0)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_a_public_address_requires_keys(tmp_path: Path, host: str) -> None:
    config = written(tmp_path, "http://127.0.0.1:9/v1")
    command = [python(), "-m", "a2r", "serve", "--config", str(config), "--port", "0"]
    completed = subprocess.run(
        [*command, "--host", host], capture_output=True, text=True, timeout=60, check=False
    )
    assert completed.returncode == 2
    [line] = completed.stderr.splitlines()
    assert "--keys" in line
    assert "--no-auth" in line
    assert completed.stdout == ""
