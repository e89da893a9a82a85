"""Answer one chat completion request, with its faults."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from aiohttp import web

from tests.fault_server.behavior import Behavior
from tests.fault_server.generation import ActiveRequest
from tests.fault_server.payloads import (
    completion,
    dumps,
    encode,
    error_body,
    error_headers,
)
from tests.fault_server.response_writer import reset, reset_connection, wait_forever, write_body
from tests.fault_server.streaming import stream_reply

JSON_HEADERS = {"Server": "uvicorn", "Content-Type": "application/json"}


async def reply(active: ActiveRequest) -> web.StreamResponse:
    """Answer a chat request according to its behavior."""
    behavior = active.behavior
    if behavior.header_delay:
        await asyncio.sleep(behavior.header_delay)
    if behavior.hang == "before_headers":
        await wait_forever()
    if behavior.reset in ("before_body", "before_reply"):
        await reset_connection(active)
    if behavior.status != 200:
        return await _error_response(active)
    if active.record.stream and not behavior.stream_as_json:
        return await stream_reply(active)
    if behavior.stream_error is not None:
        active.behavior = replace(behavior, status=500)
        return await _error_response(active)
    if behavior.malformed is not None:
        active.behavior = replace(behavior, truncate="body")
    return await _full_response(active)


async def _error_response(active: ActiveRequest) -> web.StreamResponse:
    """Answer with an HTTP error."""
    return await write_body(
        active,
        error_body(active.behavior),
        status=active.behavior.status,
        headers=error_headers(active.behavior),
        complete=lambda: active.log.close_request(active.record, "failed"),
    )


async def _full_response(active: ActiveRequest) -> web.StreamResponse:
    behavior, record = active.behavior, active.record
    fault = behavior.reset if isinstance(behavior.reset, int) else behavior.hang
    async with active.capacity.slot():
        generation = active.start_generation()
        await generation.generate_all(fault if isinstance(fault, int) else None)
        reply = generation.reply
        usage = active.usage(reply)
        message = {**reply.message(), **behavior.message}

        def complete() -> None:
            if behavior.truncate is not None:
                active.log.close_request(record, "cut")
                return
            if behavior.body is None:
                active.log.send_usage(record, usage)
            active.log.finish_request(record, reply.finish_reason)

        body = behavior.body
        if body is None:
            body = dumps(completion(record.model, message, reply.finish_reason, usage))
        return await write_body(
            active,
            encode(body),
            status=200,
            headers={**JSON_HEADERS, **behavior.headers},
            complete=complete,
        )


async def side_path_fault(request: web.BaseRequest, behavior: Behavior) -> web.Response | None:
    """Apply the faults of another path; `None` means that the path answers as usual."""
    if behavior.header_delay:
        await asyncio.sleep(behavior.header_delay)
    if behavior.hang is not None:
        await wait_forever()
    if behavior.reset is not None:
        reset(request.transport)
        await wait_forever()
    if behavior.status != 200:
        headers: dict[str, Any] = error_headers(behavior)
        return web.Response(body=error_body(behavior), status=behavior.status, headers=headers)
    return None
