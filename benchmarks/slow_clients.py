"""Clients that send half of a request's head and connect again when the server closes them."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

HALF_HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
POLL_SECONDS = 0.2


@contextmanager
def slow_clients(url: str, count: int) -> Iterator[None]:
    """Hold `count` slow connections to a server open, in a thread."""
    over = threading.Event()
    thread = threading.Thread(target=_run, args=(url, count, over))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _run(url: str, count: int, over: threading.Event) -> None:
    clients: list[socket.socket] = []
    while not over.is_set():
        closed = set(select.select(clients, [], [], POLL_SECONDS)[0]) if clients else set()
        for client in closed:
            client.close()
        clients = [client for client in clients if client not in closed]
        while len(clients) < count and not over.is_set():
            client = _connect(url)
            if client is None:
                break
            clients.append(client)
    for client in clients:
        client.close()


def _connect(url: str) -> socket.socket | None:
    parts = urlsplit(url)
    with suppress(OSError):
        client = socket.create_connection((parts.hostname or "", parts.port or 80), timeout=1.0)
        client.sendall(HALF_HEAD)
        return client
    return None
