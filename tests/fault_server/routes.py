"""The routes of the server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.fault_server.behavior import Behavior
from tests.fault_server.chat_completion import JSON_HEADERS, reply, side_path_fault
from tests.fault_server.generation import ActiveRequest, Capacity
from tests.fault_server.metrics import metrics_text
from tests.fault_server.payloads import (
    VERSION,
    dumps,
    encode,
    error_json,
    model_list,
    openai_model_list,
)
from tests.fault_server.presets import load_scenario
from tests.fault_server.request_log import RequestLog
from tests.fault_server.request_record import Record
from tests.fault_server.request_validation import Api, request_error
from tests.fault_server.response_writer import reset_connection
from tests.fault_server.scenario import RunningScenario, Scenario, Script
from tests.fault_server.tokenization import PrefixCache, prompt_text, token_ids, token_texts

CHAT = "/v1/chat/completions"
HEALTHY = Behavior()
PROMETHEUS = {"Server": "uvicorn", "Content-Type": "text/plain; version=0.0.4; charset=utf-8"}


class Routes:
    """The request handler of aiohttp's low-level server."""

    def __init__(
        self,
        script: Script,
        *,
        models: tuple[str, ...],
        log: RequestLog,
        capacity: Capacity,
        max_model_len: int,
        api: Api,
        generation_prompt: str,
        play: Callable[[Scenario], None],
    ) -> None:
        self.script = script
        self.script_errors: list[Exception] = []
        """Exceptions of scripts."""
        self._models = models
        self.in_flight: set[asyncio.Transport | None] = set()
        """The connections of the requests that are not answered yet."""
        self._log = log
        self._capacity = capacity
        self._max_model_len = max_model_len
        self._api = api
        self._generation_prompt = generation_prompt
        self._set_scenario_callback = play
        self._prefix_cache = PrefixCache()
        self._get_routes: dict[str, tuple[str, Callable[[web.BaseRequest], bytes]]] = {
            "/v1/models": ("GET", self._model_list),
            "/requests": ("GET", self._request_log),
        }
        self._post_routes = ("/tokenize",) if api == "vllm" else ()
        if api == "vllm":
            self._get_routes |= {
                "/health": ("GET", lambda _: b""),
                "/version": ("GET", lambda _: _json({"version": VERSION})),
                "/metrics": ("GET", lambda _: encode(metrics_text(self._log, self._models))),
            }

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        path, method = request.path, request.method
        if path == CHAT and method == "POST":
            return await self._chat(request)
        if path == "/script" and method == "POST":
            return await self._set_script(request)
        if isinstance(self.script, RunningScenario) and path in self.script.scenario.paths:
            fault = await side_path_fault(request, self.script.scenario.paths[path])
            if fault is not None:
                return fault
        if path in self._post_routes and method == "POST":
            return await self._tokenize(request)
        if path not in self._get_routes:
            wrong_method = path in (CHAT, "/script", *self._post_routes)
            return _not_found(405 if wrong_method else 404)
        allowed, answer = self._get_routes[path]
        if method != allowed:
            return _not_found(405)
        headers = PROMETHEUS if path == "/metrics" else JSON_HEADERS
        return web.Response(body=answer(request), headers=headers)

    async def _chat(self, request: web.BaseRequest) -> web.StreamResponse:
        record, transport = self._log.start_request(), request.transport
        try:
            active = await self._receive(request, record)
            self.in_flight.add(transport)
            return await reply(active)
        except (ConnectionError, web.RequestPayloadError):
            return web.Response()  # The client has disconnected.
        finally:
            # The returned response is written after this handler returns.
            asyncio.get_running_loop().call_soon(self.in_flight.discard, transport)
            self._log.close_request(record, "cancelled" if self._log.is_up else "killed")

    async def _receive(self, request: web.BaseRequest, record: Record) -> ActiveRequest:
        active = ActiveRequest(
            request=request,
            body={},
            behavior=HEALTHY,
            record=record,
            log=self._log,
            capacity=self._capacity,
            prefix_cache=self._prefix_cache,
        )
        early = getattr(self.script, "before_body", lambda _: None)(record.number)
        if early is not None and early.reset == "before_body":
            self._log.set_behavior(record, early.label)
            await reset_connection(active)
        behavior: Behavior | None = None
        try:
            active.body = _read_object(await request.read())
        except ValueError as error:
            behavior = Behavior(kind="bad_request", status=400, error=str(error))
        if request.transport is None or request.transport.is_closing():
            raise ConnectionResetError("the server went down before it had read the request")
        headers = dict(request.headers) if self._log.keep_bodies else {}
        self._log.receive_body(record, active.body, headers)
        active.behavior = behavior or self._behavior(record, active.body)
        self._log.set_behavior(record, active.behavior.label)
        return active

    def _behavior(self, record: Record, body: dict[str, Any]) -> Behavior:
        if record.model not in self._models:
            return Behavior(kind="unknown_model", status=404, error=_unknown_model(record.model))
        error = request_error(body, self._api)
        if error is not None:
            return Behavior(kind="bad_request", status=400, error=error)
        try:
            return self.script(body, record.number)
        except Exception as error:  # noqa: BLE001
            self.script_errors.append(error)
            return Behavior(kind="script_failed", status=500, error=repr(error))

    async def _set_script(self, request: web.BaseRequest) -> web.Response:
        try:
            self._set_scenario_callback(load_scenario(_read_object(await request.read())))
        except (ValueError, TypeError) as error:
            return _error_response(400, error_json(str(error), 400))
        return web.Response(body=_json({"ok": True}), headers=JSON_HEADERS)

    async def _tokenize(self, request: web.BaseRequest) -> web.Response:
        try:
            body = _read_object(await request.read())
        except ValueError as error:
            return _error_response(400, error_json(str(error), 400))
        if body.get("model", self._models[0]) not in self._models:
            return _error_response(404, _unknown_model(body["model"]))
        if "prompt" not in body and "messages" not in body:
            return _error_response(400, error_json("prompt or messages: Field required", 400))
        prompt = prompt_text(body) + (self._generation_prompt if "messages" in body else "")
        tokens = token_ids(prompt)
        reply = {
            "count": len(tokens),
            "max_model_len": self._max_model_len,
            "tokens": tokens,
            "token_strs": token_texts(prompt) if body.get("return_token_strs") else None,
        }
        return web.Response(body=_json(reply), headers=JSON_HEADERS)

    def _model_list(self, _: web.BaseRequest) -> bytes:
        if self._api == "openai":
            return _json(openai_model_list(self._models))
        return _json(model_list(self._models, self._max_model_len))

    def _request_log(self, request: web.BaseRequest) -> bytes:
        query = request.rel_url.query
        dump = self._log.summary()
        if "records" in query or "bodies" in query:
            dump["records"] = self._log.request_records(bodies="bodies" in query)
        return _json(dump)


def _read_object(raw: bytes) -> dict[str, Any]:
    """Return the JSON object of a request."""
    value = json.loads(raw)
    if not isinstance(value, dict):
        raise ValueError("Input should be a valid dictionary")
    return value


def _json(value: object) -> bytes:
    return encode(dumps(value))


def _unknown_model(model: object) -> dict[str, Any]:
    return error_json(f"The model `{model}` does not exist.", 404, param="model")


def _error_response(status: int, error: dict[str, Any]) -> web.Response:
    return web.Response(body=_json(error), status=status, headers=JSON_HEADERS)


def _not_found(status: int) -> web.Response:
    detail = "Not Found" if status == 404 else "Method Not Allowed"
    return _error_response(status, {"detail": detail})
