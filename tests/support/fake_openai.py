"""A small OpenAI-compatible server with scripted replies and a request log."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.support.threaded_server import ThreadedServer

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


@dataclass(frozen=True, kw_only=True)
class ScriptedReply:
    """One scripted reply."""

    text: str = ""
    finish_reason: str | None = "stop"
    usage: dict[str, Any] | None = field(default_factory=lambda: dict(USAGE))
    status: int = 200
    error: str = "scripted error"
    headers: dict[str, str] = field(default_factory=dict)
    message: dict[str, Any] = field(default_factory=dict)
    body: bytes | None = None
    reset: bool = False
    hang: bool = False


Script = Callable[[dict[str, Any], int], ScriptedReply]


@dataclass
class RequestLog:
    """The request log: bodies and headers in order of arrival."""

    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    cancelled: int = 0
    outstanding: int = 0
    peak: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    async def until(self, condition: Callable[[RequestLog], bool]) -> None:
        """Wait until a condition holds, at most ten seconds."""

        def wait() -> bool:
            with self.changed:
                return self.changed.wait_for(lambda: condition(self), timeout=10)

        assert await asyncio.to_thread(wait), f"condition never held: {self}"

    def arrive(self, body: dict[str, Any], headers: dict[str, str]) -> int:
        with self.changed:
            self.requests.append(body)
            self.headers.append(headers)
            self.outstanding += 1
            self.peak = max(self.peak, self.outstanding)
            self.changed.notify_all()
            return len(self.requests) - 1

    def leave(self, *, cancelled: bool) -> None:
        with self.changed:
            self.cancelled += cancelled
            self.outstanding -= 1
            self.changed.notify_all()

    def calls(self, model: str) -> list[dict[str, Any]]:
        return [request for request in self.requests if request["model"] == model]


class FakeOpenAI(ThreadedServer):
    """The server; `script(body, n)` returns the reply to request `n` (from 0).

    With a `context`, it rejects longer prompts as vLLM does (four characters per token), and
    replies that may not fit, as older versions do. It reports its context and counts tokens only if
    it `tokenizes`. While it is `failing`, only chat requests succeed; `side_request_count` counts
    the others.
    """

    def __init__(
        self,
        script: Script,
        models: tuple[str, ...] = ("small", "big"),
        *,
        context: int | None = None,
        tokenizes: bool = False,
    ) -> None:
        super().__init__()
        self.script = script
        self.models = models
        self.context = context
        self.reported_context: Any = context
        self.tokenizes = tokenizes
        self.failing = False
        self.side_request_count = 0
        self.request_log = RequestLog()

    def create_app(self) -> web.Application:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_get("/v1/models", self._list)
        app.router.add_post("/v1/chat/completions", self._complete)
        if self.tokenizes:
            app.router.add_post("/tokenize", self._tokenize)
        return app

    async def _list(self, _: web.Request) -> web.Response:
        self.side_request_count += 1
        if self.failing:
            return web.json_response({"error": "ill"}, status=503)
        return web.json_response({"object": "list", "data": [{"id": m} for m in self.models]})

    async def _tokenize(self, request: web.Request) -> web.Response:
        self.side_request_count += 1
        if self.failing:
            return web.json_response({"error": "ill"}, status=503)
        body = await request.json()
        return web.json_response(
            {"count": prompt_tokens(body), "max_model_len": self.reported_context}
        )

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        number = self.request_log.arrive(body, dict(request.headers))
        cancelled = False
        try:
            if message := self._overflow_message(body):
                return web.json_response({"error": {"message": message}}, status=400)
            return await self._answer(request, body, self.script(body, number))
        except asyncio.CancelledError:
            cancelled = True
            raise
        finally:
            self.request_log.leave(cancelled=cancelled)

    def _overflow_message(self, body: dict[str, Any]) -> str | None:
        if self.context is None:
            return None
        prompt, reply = prompt_tokens(body), body.get("max_tokens") or 0
        limit = f"This model's maximum context length is {self.context} tokens. However, "
        if prompt >= self.context:
            return (
                f"{limit}your request has {prompt} input tokens. Please reduce the length of the "
                "input."
            )
        if prompt + reply > self.context:
            return (
                f"{limit}you requested {prompt + reply} tokens ({prompt} in the messages, {reply} "
                "in the completion). Please reduce the length of the messages or completion."
            )
        return None

    async def _answer(
        self, request: web.Request, body: dict[str, Any], scripted: ScriptedReply
    ) -> web.StreamResponse:
        if scripted.hang:
            await asyncio.Event().wait()
        if scripted.status != 200:
            return web.json_response(
                {"error": {"message": scripted.error}},
                status=scripted.status,
                headers=scripted.headers,
            )
        if scripted.body is not None:
            return web.Response(body=scripted.body, content_type="application/json")
        if body.get("stream"):
            return await self._stream(request, body, scripted)
        if scripted.reset:
            assert request.transport is not None
            request.transport.close()
        message = {"role": "assistant", "content": scripted.text, **scripted.message}
        choice = {"index": 0, "message": message, "finish_reason": scripted.finish_reason}
        return web.json_response(
            {
                "id": "c",
                "object": "chat.completion",
                "created": 0,
                "model": body["model"],
                "choices": [choice],
                "usage": scripted.usage,
            }
        )

    async def _stream(
        self, request: web.Request, body: dict[str, Any], scripted: ScriptedReply
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)

        async def send(choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> None:
            chunk = {
                "id": "c",
                "object": "chat.completion.chunk",
                "created": 0,
                "model": body["model"],
                "choices": choices,
                "usage": usage,
            }
            await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")

        deltas = [{"role": "assistant", "content": ""}]
        deltas += [{key: value} for key, value in scripted.message.items()]
        deltas += [{"content": scripted.text[i : i + 3]} for i in range(0, len(scripted.text), 3)]
        for delta in deltas:
            await send([{"index": 0, "delta": delta, "finish_reason": None}])
        if scripted.reset:
            assert request.transport is not None
            request.transport.close()
            return response
        await send([{"index": 0, "delta": {}, "finish_reason": scripted.finish_reason}])
        if body.get("stream_options", {}).get("include_usage") and scripted.usage is not None:
            await send([], scripted.usage)
        await response.write(b"data: [DONE]\n\n")
        return response


def prompt_tokens(body: dict[str, Any]) -> int:
    return sum(len(message["content"]) for message in body["messages"]) // 4


def replies(
    *,
    small: list[ScriptedReply] | ScriptedReply,
    big: list[ScriptedReply] | ScriptedReply | None = None,
) -> Script:
    """Return a script with the replies of each model in order; the last one repeats.

    The explorer's replies are chosen by seed, so that they do not depend on the order of arrival.
    """
    counts = {"big": 0}

    def script(body: dict[str, Any], _: int) -> ScriptedReply:
        if body["model"] == "small":
            return pick(small, body.get("seed", 0))
        counts["big"] += 1
        assert big is not None, "the synthesizer was called"
        return pick(big, counts["big"] - 1)

    return script


def pick(says: list[ScriptedReply] | ScriptedReply, position: int) -> ScriptedReply:
    return says if isinstance(says, ScriptedReply) else says[min(position, len(says) - 1)]


def boxed(answer: str) -> ScriptedReply:
    return ScriptedReply(text=f"I think so.\n\\boxed{{{answer}}}")


@contextmanager
def fake_openai(
    script: Script, *, context: int | None = None, tokenizes: bool = False
) -> Iterator[FakeOpenAI]:
    with FakeOpenAI(script, context=context, tokenizes=tokenizes) as server:
        yield server


def config_for(url: str, **changes: Any) -> dict[str, Any]:
    """Return a config of both roles on one endpoint, with four samples and short deadlines."""
    config: dict[str, Any] = {
        "kind": "math",
        "explorer": {
            "model": "small",
            "endpoints": [url],
            "samples": 4,
            "retries": 1,
            "sampling": {"temperature": 0.5, "max_tokens": 64, "seed": 0},
        },
        "synthesizer": {
            "model": "big",
            "endpoints": [url],
            "retries": 1,
            "sampling": {"max_tokens": 64, "seed": 7},
        },
        "deadline": {"call": 20, "question": 40},
    }
    for key, value in changes.items():
        *sections, name = key.split("__")
        target = config
        for section in sections:
            target = target.setdefault(section, {})
        target[name] = value
    return config
