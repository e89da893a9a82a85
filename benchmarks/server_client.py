"""A client of `a2r serve` that measures how long its questions take."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from benchmarks.server_process import MODEL

TIMEOUT = 120.0


@dataclass(frozen=True, kw_only=True)
class ServerClient:
    """Asks the model `load`."""

    http: httpx.AsyncClient

    async def ask(
        self, question: str, *, choices: int = 1, **overrides: Any
    ) -> tuple[float, dict[str, Any]]:
        """Return the seconds and the first result, which is the reply's field `a2r`."""
        messages = [{"role": "user", "content": question}]
        body = {"model": MODEL, "messages": messages, "n": choices, "a2r": overrides}
        start = time.monotonic()
        response = await self.http.post("chat/completions", json=body)
        seconds = time.monotonic() - start
        response.raise_for_status()
        result: dict[str, Any] = response.json()["a2r"][0]
        return seconds, result

    async def list_models(self) -> float:
        """Return the seconds of a small request without a question."""
        start = time.monotonic()
        (await self.http.get("models")).raise_for_status()
        return time.monotonic() - start


@asynccontextmanager
async def server_client(url: str) -> AsyncIterator[ServerClient]:
    """A client with as many connections as requests."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT, limits=limits) as http:
        yield ServerClient(http=http)
