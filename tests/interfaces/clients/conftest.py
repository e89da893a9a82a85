"""Rules for third-party clients: no hosts but this machine."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

# litellm asks GitHub for a list of prices when it is imported, unless this is set.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

LOOPBACK = {"127.0.0.1", b"127.0.0.1", "localhost", "::1"}


@pytest.fixture(autouse=True)
def _no_other_hosts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test whose client looks up another host."""
    others: list[Any] = []
    original = socket.getaddrinfo

    def look_up(host: Any, *arguments: Any, **options: Any) -> Any:
        if host not in LOOPBACK:
            others.append(host)
            raise socket.gaierror(f"a client looked up {host!r}")
        return original(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield
    assert others == []
