"""A server with deterministic replies, slow enough to kill its client during one."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.support.threaded_server import ThreadedServer

ANSWERS = ("4", "5", "6", "5")
KEY = re.compile(rb"call ([0-9a-f]{12})")
MIN_SECONDS, MAX_SECONDS = 0.02, 0.15
CHUNKS = 6


@dataclass
class Call:
    """A request; `key` identifies it and is part of the reply, which was sent at `sent_at`."""

    key: str
    model: str
    seed: int
    sent_at: float | None = None
    closed: bool = False


@dataclass
class RequestLog:
    """The requests in order of arrival; `hits` includes requests of /models."""

    calls: list[Call] = field(default_factory=list)
    hits: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def update(self, change: Callable[[], None]) -> None:
        with self.changed:
            change()
            self.changed.notify_all()

    def until(self, condition: Callable[[RequestLog], bool], seconds: float = 60.0) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: condition(self), timeout=seconds)

    def keys(self, since: int = 0) -> list[str]:
        with self.changed:
            return [call.key for call in self.calls[since:]]


class CountingServer(ThreadedServer):
    """Serves in a separate thread; replies with `hold(call)` never complete."""

    def __init__(self, hold: Callable[[Call], bool] = lambda _: False) -> None:
        super().__init__()
        self.request_log = RequestLog()
        self.hold = hold

    def create_app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/barrier", self._barrier)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._complete)
        return app

    async def _barrier(self, _: web.Request) -> web.Response:
        return web.Response()

    async def _models(self, _: web.Request) -> web.Response:
        def hit() -> None:
            self.request_log.hits += 1

        self.request_log.update(hit)
        return web.json_response({"object": "list", "data": [{"id": "small"}, {"id": "big"}]})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        call = Call(key=request_key(body), model=body["model"], seed=body["seed"])

        def arrive() -> None:
            self.request_log.hits += 1
            self.request_log.calls.append(call)

        self.request_log.update(arrive)
        try:
            return await self._answer(request, body, call)
        finally:
            self.request_log.update(lambda: setattr(call, "closed", True))

    async def _answer(
        self, request: web.Request, body: dict[str, Any], call: Call
    ) -> web.StreamResponse:
        if self.hold(call):
            await asyncio.Event().wait()
        text = reply_text(body, call)
        pause = (MIN_SECONDS + (MAX_SECONDS - MIN_SECONDS) * int(call.key[:2], 16) / 255) / CHUNKS
        if not body.get("stream"):
            await asyncio.sleep(pause * CHUNKS)
            message = {"role": "assistant", "content": text}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            call.sent_at = time.monotonic()
            return web.json_response(_envelope(call, "chat.completion", [choice], usage(text)))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)

        async def send(choices: list[Any], usage: dict[str, int] | None = None) -> None:
            chunk = _envelope(call, "chat.completion.chunk", choices, usage)
            await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")

        size = -(-len(text) // CHUNKS)
        for start in range(0, len(text), size):
            delta = {"role": "assistant", "content": text[start : start + size]}
            await send([{"index": 0, "delta": delta, "finish_reason": None}])
            await asyncio.sleep(pause)
        await send([{"index": 0, "delta": {}, "finish_reason": "stop"}])
        await send([], usage(text))
        call.sent_at = time.monotonic()
        await response.write(b"data: [DONE]\n\n")
        return response


def request_key(body: dict[str, Any]) -> str:
    request = json.dumps([body["model"], body["seed"], body["messages"]], sort_keys=True)
    return hashlib.sha256(request.encode()).hexdigest()[:12]


def find_keys(data: bytes) -> set[str]:
    """Return the keys of all replies in some data."""
    return {key.decode() for key in KEY.findall(data)}


def reply_text(body: dict[str, Any], call: Call) -> str:
    """Return the reply: samples disagree, a judge selects the second candidate."""
    text = f"call {call.key}\nI think so."
    if "Judgment:" in body["messages"][-1]["content"]:
        return f"{text}\nJudgment: 2"
    return f"{text}\n\\boxed{{{ANSWERS[call.seed % len(ANSWERS)]}}}"


def usage(text: str) -> dict[str, int]:
    tokens = len(text) // 4
    return {"prompt_tokens": 10, "completion_tokens": tokens, "total_tokens": 10 + tokens}


def _envelope(call: Call, kind: str, choices: list[Any], usage: Any) -> dict[str, Any]:
    return {
        "id": f"{call.key}-{time.monotonic_ns()}",
        "object": kind,
        "created": 0,
        "model": call.model,
        "choices": choices,
        "usage": usage,
    }
