"""A server that answers `a2r check` like vLLM, or with scripted faults."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

LISTED: Mapping[str, Any] = {"id": "small", "max_model_len": 4096}


@dataclass
class FakeVllm:
    """The script and the request log; `refusals` are HTTP statuses by path."""

    models: list[Mapping[str, Any]] = field(default_factory=lambda: [LISTED])
    error_statuses: dict[str, int] = field(default_factory=dict)
    message: str = "refused"
    rejected_word: str | None = None
    hangs: bool = False
    streams: bool = True
    usage: str = "continuous"
    thinking: str = "reasoning"
    words: tuple[str, ...] = ("a", "b", "c", "d")
    raw: bytes | None = None
    key: str | None = None
    requests: list[dict[str, Any]] = field(default_factory=list)
    authorizations: set[str] = field(default_factory=set)
    in_flight: int = 0
    max_in_flight: int = 0

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Run the server and yield its base URL."""
        app = web.Application(middlewares=[self._middleware])
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/tokenize", self._tokenize)
        async with TestServer(app, host="127.0.0.1") as server:
            yield f"http://127.0.0.1:{server.port}/v1"

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Any) -> web.StreamResponse:
        authorization = request.headers.get("Authorization", "")
        self.authorizations.add(authorization)
        if self.key is not None and authorization != f"Bearer {self.key}":
            return _error(401, f"invalid key {authorization}")
        if status := self.error_statuses.get(request.path):
            if status == 302:
                raise web.HTTPFound("http://127.0.0.1:1/")
            return _error(status, self.message)
        response: web.StreamResponse = await handler(request)
        return response

    async def _models(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": self.models})

    async def _tokenize(self, _: web.Request) -> web.Response:
        return web.json_response({"count": 3, "max_model_len": 4096, "tokens": [1, 2, 3]})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            return await self._answer(request, body)
        finally:
            self.in_flight -= 1

    async def _answer(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if self.hangs:
            await asyncio.Event().wait()
        if self.rejected_word and self.rejected_word in json.dumps(body):
            return _error(400, f"unknown field {self.rejected_word}")
        if not self.streams:
            message = {"role": "assistant", "content": "abc"}
            usage = {"completion_tokens": 3}
            return web.json_response({"choices": [{"message": message}], "usage": usage})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        if self.raw is not None:
            await response.write(self.raw)
            return response
        count = min(len(self.words), body["max_tokens"])
        for number, word in enumerate(self.words[:count], start=1):
            delta = {self.thinking: word}
            usage = {"completion_tokens": number} if self.usage == "continuous" else None
            await _send(response, [{"delta": delta}], usage)
            # Without a pause, several events arrive in one read, with the same time.
            await asyncio.sleep(0.01)
        await _send(response, [{"delta": {}, "finish_reason": "length"}], None)
        if self.usage != "none" and body.get("stream_options"):
            await _send(response, [], {"completion_tokens": count})
        await response.write(b"data: [DONE]\n\n")
        return response


async def _send(
    response: web.StreamResponse, choices: list[Any], usage: dict[str, int] | None
) -> None:
    chunk = {"choices": choices, "usage": usage}
    await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": {"message": message}}, status=status)
