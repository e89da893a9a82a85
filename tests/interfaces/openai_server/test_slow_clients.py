"""Clients that send or read slowly do not keep others from the server."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import Queue

import httpx
import pytest

from a2r.interfaces.http.connection_log import ConnectionLog
from a2r.interfaces.http.settings import ServerSettings
from tests.support.fake_openai import boxed, fake_openai, replies
from tests.support.serving import MODEL, hosted, served, written

pytestmark = pytest.mark.integration

HALF_HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
SECONDS = 30


def connect(url: str, data: bytes) -> socket.socket:
    """A connection that has sent some data."""
    parts = httpx.URL(url)
    client = socket.create_connection((parts.host, parts.port or 80), timeout=SECONDS)
    client.sendall(data)
    return client


def read_to_end(client: socket.socket) -> bytes:
    """Everything until the server closes the connection."""
    received = b""
    try:
        while piece := client.recv(65536):
            received += piece
    except ConnectionError:
        pass
    return received


@contextmanager
def file_limit(count: int) -> Iterator[None]:
    """Processes that start here may open as many files."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.timeout(180)
def test_300_half_heads_leave_the_server_open_to_others(tmp_path: Path) -> None:
    with ExitStack() as stack:
        endpoint = stack.enter_context(fake_openai(replies(small=boxed("4"))))
        config = written(tmp_path, endpoint.url)
        with file_limit(256):
            server = stack.enter_context(served(config))
        clients = [stack.enter_context(connect(server.url, HALF_HEAD)) for _ in range(300)]
        body = {"model": MODEL, "messages": [{"role": "user", "content": "2+2?"}]}
        for _ in range(3):
            reply = httpx.post(f"{server.url}/chat/completions", json=body, timeout=SECONDS)
            assert reply.status_code == 200
        # The first ones have made room.
        assert read_to_end(clients[0]) == b""
        # What happens to the others is in the line of the next minute.
        assert len(server.events("connections")) == 1


@pytest.fixture
def endpoint_url() -> Iterator[str]:
    with fake_openai(replies(small=boxed("4"))) as endpoint:
        yield endpoint.url


WHOLE = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize("first", [b"", HALF_HEAD, WHOLE, WHOLE + HALF_HEAD])
def test_a_head_that_does_not_end_is_not_waited_for(
    first: bytes, endpoint_url: str, tmp_path: Path
) -> None:
    """Nor is a connection that a client leaves idle, before or after a request."""
    settings = ServerSettings(head_seconds=0.2)
    with hosted(written(tmp_path, endpoint_url), settings) as server:
        with connect(server.url, first) as client:
            received = read_to_end(client)
        assert received.count(b"HTTP/1.1 200 OK") == first.count(b"GET")
        assert httpx.get(f"{server.url}/models", timeout=SECONDS).status_code == 200


def test_a_body_that_does_not_end_is_not_waited_for(endpoint_url: str, tmp_path: Path) -> None:
    head = HALF_HEAD + b"1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    settings = ServerSettings(head_seconds=0.2, body_seconds=0.2)
    with hosted(written(tmp_path, endpoint_url), settings) as server:
        with connect(server.url, head) as client:
            received = read_to_end(client)
        assert received.startswith(b"HTTP/1.1 408")
        assert httpx.get(f"{server.url}/models", timeout=SECONDS).status_code == 200


def test_a_client_that_reads_nothing_is_disconnected(
    endpoint_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logged = Queue[str]()
    caplog.handler.addFilter(lambda record: logged.put(record.getMessage()) or True)
    request = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
    settings = ServerSettings(write_seconds=0.2)
    with hosted(written(tmp_path, endpoint_url), settings) as server:
        # More replies than the buffers of both sides hold.
        with connect(server.url, request * 1000) as client:
            while "does not read its reply" not in logged.get(timeout=SECONDS):
                pass
            assert read_to_end(client).count(b"HTTP/1.1 200 OK") < 1000
        assert httpx.get(f"{server.url}/models", timeout=SECONDS).status_code == 200


def test_a_client_that_reads_slowly_gets_its_replies(endpoint_url: str, tmp_path: Path) -> None:
    request = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with (
        hosted(written(tmp_path, endpoint_url)) as server,
        connect(server.url, request * 50 + last) as client,
    ):
        received = read_to_end(client)
    assert received.count(b"HTTP/1.1 200 OK") == 51


def test_a_client_at_its_limit_closes_its_own_connections_only(
    endpoint_url: str, tmp_path: Path
) -> None:
    settings = ServerSettings(max_connections=4, max_client_connections=2)
    with hosted(written(tmp_path, endpoint_url), settings) as server, ExitStack() as stack:
        first, *others = [stack.enter_context(connect(server.url, HALF_HEAD)) for _ in range(3)]
        assert read_to_end(first) == b""
        assert len(others) == 2


async def test_connections_are_logged_once_in_an_interval(caplog: pytest.LogCaptureFixture) -> None:
    counts = asyncio.Queue[str]()
    caplog.handler.addFilter(lambda record: counts.put_nowait(record.getMessage()) or True)
    log = ConnectionLog(interval=0.01)
    for _ in range(1000):
        log.note("closed")
    assert counts.qsize() == 1
    assert "'count': 1," in await counts.get()
    assert "'count': 999," in await counts.get()
