"""Every path of the server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.fault_server.behaviour import Behaviour
from tests.fault_server.books import Books
from tests.fault_server.chat import JSON_HEADERS, aside, reply
from tests.fault_server.generation import Capacity, Exchange
from tests.fault_server.metrics import metrics_text
from tests.fault_server.presets import scenario_of
from tests.fault_server.records import Record
from tests.fault_server.scenario import Playing, Scenario, Script
from tests.fault_server.speech import PrefixCache, prompt_of, token_ids
from tests.fault_server.wire import VERSION, dumps, encoded, error_json, model_list
from tests.fault_server.writing import break_off

CHAT = "/v1/chat/completions"
ORDINARY = Behaviour()
PROMETHEUS = {"Server": "uvicorn", "Content-Type": "text/plain; version=0.0.4; charset=utf-8"}


class Routes:
    """Answers requests; the handler of aiohttp's low-level server."""

    def __init__(
        self,
        script: Script,
        *,
        models: tuple[str, ...],
        books: Books,
        capacity: Capacity,
        max_model_len: int,
        play: Callable[[Scenario], None],
    ) -> None:
        self.script = script
        self.mistakes: list[Exception] = []
        """What scripts raised."""
        self._models = models
        self.under_way: set[asyncio.Transport | None] = set()
        """The connections of the requests that have arrived and are not answered yet."""
        self._books = books
        self._capacity = capacity
        self._max_model_len = max_model_len
        self._play = play
        self._prefixes = PrefixCache()
        self._others: dict[str, tuple[str, Callable[[web.BaseRequest], bytes]]] = {
            "/v1/models": ("GET", lambda _: _json(model_list(self._models, self._max_model_len))),
            "/health": ("GET", lambda _: b""),
            "/version": ("GET", lambda _: _json({"version": VERSION})),
            "/metrics": ("GET", lambda _: encoded(metrics_text(self._books, self._models))),
            "/books": ("GET", self._dump),
        }

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        path, method = request.path, request.method
        if path == CHAT and method == "POST":
            return await self._chat(request)
        if path == "/script" and method == "POST":
            return await self._rewrite(request)
        if isinstance(self.script, Playing) and path in self.script.scenario.paths:
            fault = await aside(request, self.script.scenario.paths[path])
            if fault is not None:
                return fault
        if path == "/tokenize" and method == "POST":
            return await self._tokenize(request)
        if path not in self._others:
            wrong = path in (CHAT, "/script", "/tokenize")
            return _not_here(405 if wrong else 404)
        allowed, answer = self._others[path]
        if method != allowed:
            return _not_here(405)
        headers = PROMETHEUS if path == "/metrics" else JSON_HEADERS
        return web.Response(body=answer(request), headers=headers)

    async def _chat(self, request: web.BaseRequest) -> web.StreamResponse:
        record, transport = self._books.begin(), request.transport
        try:
            exchange = await self._arrived(request, record)
            self.under_way.add(transport)
            return await reply(exchange)
        except (ConnectionError, web.RequestPayloadError):
            return web.Response()  # Nobody is there to read it.
        finally:
            # What the handler returns is written in the step that ends it.
            asyncio.get_running_loop().call_soon(self.under_way.discard, transport)
            self._books.leave(record, "cancelled" if self._books.is_up else "killed")

    async def _arrived(self, request: web.BaseRequest, record: Record) -> Exchange:
        exchange = Exchange(
            request=request,
            body={},
            behaviour=ORDINARY,
            record=record,
            books=self._books,
            capacity=self._capacity,
            prefixes=self._prefixes,
        )
        early = getattr(self.script, "before_body", lambda _: None)(record.number)
        if early is not None and early.reset == "before_body":
            self._books.decide(record, early.label)
            await break_off(exchange)
        behaviour: Behaviour | None = None
        try:
            exchange.body = _object(await request.read())
        except ValueError as mistake:
            behaviour = Behaviour(kind="bad_request", status=400, error=str(mistake))
        if request.transport is None or request.transport.is_closing():
            raise ConnectionResetError("the server went down before it had read the request")
        headers = dict(request.headers) if self._books.keep_bodies else {}
        self._books.arrive(record, exchange.body, headers)
        exchange.behaviour = behaviour or self._behaviour(record, exchange.body)
        self._books.decide(record, exchange.behaviour.label)
        return exchange

    def _behaviour(self, record: Record, body: dict[str, Any]) -> Behaviour:
        if record.model not in self._models:
            return Behaviour(kind="unknown_model", status=404, error=_unknown(record.model))
        try:
            return self.script(body, record.number)
        except Exception as mistake:  # noqa: BLE001
            self.mistakes.append(mistake)
            return Behaviour(kind="script_failed", status=500, error=repr(mistake))

    async def _rewrite(self, request: web.BaseRequest) -> web.Response:
        try:
            self._play(scenario_of(_object(await request.read())))
        except (ValueError, TypeError) as mistake:
            return _refused(400, error_json(str(mistake), 400))
        return web.Response(body=_json({"ok": True}), headers=JSON_HEADERS)

    async def _tokenize(self, request: web.BaseRequest) -> web.Response:
        try:
            body = _object(await request.read())
        except ValueError as mistake:
            return _refused(400, error_json(str(mistake), 400))
        if body.get("model", self._models[0]) not in self._models:
            return _refused(404, _unknown(body["model"]))
        if "prompt" not in body and "messages" not in body:
            return _refused(400, error_json("prompt or messages: Field required", 400))
        tokens = token_ids(prompt_of(body))
        reply = {"count": len(tokens), "max_model_len": self._max_model_len, "tokens": tokens}
        return web.Response(body=_json({**reply, "token_strs": None}), headers=JSON_HEADERS)

    def _dump(self, request: web.BaseRequest) -> bytes:
        asked = request.rel_url.query
        dump = self._books.summary()
        if "records" in asked or "bodies" in asked:
            dump["records"] = self._books.dump(bodies="bodies" in asked)
        return _json(dump)


def _object(raw: bytes) -> dict[str, Any]:
    """A request's JSON object."""
    value = json.loads(raw)
    if not isinstance(value, dict):
        raise ValueError("Input should be a valid dictionary")
    return value


def _json(value: object) -> bytes:
    return encoded(dumps(value))


def _unknown(model: object) -> dict[str, Any]:
    return error_json(f"The model `{model}` does not exist.", 404, param="model")


def _refused(status: int, error: dict[str, Any]) -> web.Response:
    return web.Response(body=_json(error), status=status, headers=JSON_HEADERS)


def _not_here(status: int) -> web.Response:
    detail = "Not Found" if status == 404 else "Method Not Allowed"
    return _refused(status, {"detail": detail})
