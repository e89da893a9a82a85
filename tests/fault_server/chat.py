"""One chat request, from its headers to whatever ends it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from aiohttp import web

from tests.fault_server.behaviour import Behaviour
from tests.fault_server.generation import Exchange
from tests.fault_server.streaming import stream_reply
from tests.fault_server.wire import (
    completion,
    dumps,
    encoded,
    error_body,
    error_headers,
)
from tests.fault_server.writing import break_off, never, reset, write_body

JSON_HEADERS = {"Server": "uvicorn", "Content-Type": "application/json"}


async def reply(exchange: Exchange) -> web.StreamResponse:
    """Answer a chat request the way its behaviour says."""
    behaviour = exchange.behaviour
    if behaviour.header_delay:
        await asyncio.sleep(behaviour.header_delay)
    if behaviour.hang == "before_headers":
        await never()
    if behaviour.reset in ("before_body", "before_reply"):
        await break_off(exchange)
    if behaviour.status != 200:
        return await _refuse(exchange)
    if exchange.record.stream and not behaviour.stream_as_json:
        return await stream_reply(exchange)
    if behaviour.stream_error is not None:
        exchange.behaviour = replace(behaviour, status=500)
        return await _refuse(exchange)
    if behaviour.malformed is not None:
        exchange.behaviour = replace(behaviour, truncate="body")
    return await _complete(exchange)


async def _refuse(exchange: Exchange) -> web.StreamResponse:
    """Answer with an error."""
    return await write_body(
        exchange,
        error_body(exchange.behaviour),
        status=exchange.behaviour.status,
        headers=error_headers(exchange.behaviour),
        complete=lambda: exchange.books.leave(exchange.record, "failed"),
    )


async def _complete(exchange: Exchange) -> web.StreamResponse:
    behaviour, record = exchange.behaviour, exchange.record
    fault = behaviour.reset if isinstance(behaviour.reset, int) else behaviour.hang
    async with exchange.capacity.slot():
        generation = exchange.generation()
        await generation.make_all(fault if isinstance(fault, int) else None)
        speech = generation.speech
        usage = exchange.usage(speech)
        message = {**speech.message(), **behaviour.message}

        def complete() -> None:
            if behaviour.truncate is not None:
                exchange.books.leave(record, "cut")
                return
            if behaviour.body is None:
                exchange.books.tell(record, usage)
            exchange.books.finish(record, speech.finish_reason)

        body = behaviour.body
        if body is None:
            body = dumps(completion(record.model, message, speech.finish_reason, usage))
        return await write_body(
            exchange,
            encoded(body),
            status=200,
            headers={**JSON_HEADERS, **behaviour.headers},
            complete=complete,
        )


async def aside(request: web.BaseRequest, behaviour: Behaviour) -> web.Response | None:
    """What a path other than the chat's does instead of answering; null: nothing."""
    if behaviour.header_delay:
        await asyncio.sleep(behaviour.header_delay)
    if behaviour.hang is not None:
        await never()
    if behaviour.reset is not None:
        reset(request.transport)
        await never()
    if behaviour.status != 200:
        headers: dict[str, Any] = error_headers(behaviour)
        return web.Response(body=error_body(behaviour), status=behaviour.status, headers=headers)
    return None
