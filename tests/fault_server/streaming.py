"""Streamed replies with their faults."""

from __future__ import annotations

import asyncio
import time
from typing import Any, NoReturn

from aiohttp import web

from tests.fault_server.behavior import Endless
from tests.fault_server.generation import ActiveRequest, Generation
from tests.fault_server.payloads import FINGERPRINT, Chunks, dumps, error_json, new_id
from tests.fault_server.request_record import Outcome
from tests.fault_server.response_writer import (
    EventWriter,
    close_connection,
    reset_connection,
    wait_forever,
)

SSE_HEADERS = {"Server": "uvicorn", "Content-Type": "text/event-stream; charset=utf-8"}


async def stream_reply(active: ActiveRequest) -> web.StreamResponse:
    """Answer with server-sent events; the headers are sent before a slot is free."""
    headers = {**SSE_HEADERS, **active.behavior.headers}
    response = web.StreamResponse(headers=headers)
    await response.prepare(active.request)
    active.log.start_response(active.record, 200)
    async with active.capacity.slot():
        if active.behavior.only_events:
            await _stream_events(active, response)
        else:
            await _Stream(active, response).run()
    return response


async def _stream_events(active: ActiveRequest, response: web.StreamResponse) -> None:
    """Send the events in place of a reply."""
    behavior, writer = active.behavior, EventWriter(response, active.behavior)
    if not behavior.rejects:
        active.start_generation()
    for event in behavior.events:
        await writer.write_raw(event)
    await _close_stream(active, response, writer, "failed", done=behavior.done)


async def _close_stream(
    active: ActiveRequest,
    response: web.StreamResponse,
    writer: EventWriter,
    outcome: Outcome,
    *,
    done: bool,
) -> None:
    """End the stream; the request log is updated before the client receives the end."""
    active.log.close_request(active.record, outcome)
    if done:
        await writer.write_event("[DONE]")
    await writer.flush()
    await response.write_eof()


class _Stream:
    def __init__(self, active: ActiveRequest, response: web.StreamResponse) -> None:
        options = active.body.get("stream_options") or {}
        self._active = active
        self._behavior = active.behavior
        self._response = response
        self._writer = EventWriter(response, active.behavior)
        self._generation: Generation = active.start_generation()
        self._reply = self._generation.reply
        self._chunks = Chunks(new_id(), int(time.time()), active.record.model)
        self._include_usage = bool(options.get("include_usage"))
        self._continuous = self._include_usage and bool(options.get("continuous_usage_stats"))
        self._emitted = 0
        self._opened = False

    async def run(self) -> None:
        if self._behavior.hang == "after_headers":
            await wait_forever()
        total = self._reply.total
        for made in range(total):
            if await self._struck(made):
                return
            await self._generation.until(made)
            await self._open()
            self._generation.generate()
            if self._due(made + 1):
                await self._emit()
        if await self._struck(total):
            return
        await self._generation.until(0)
        await self._open()
        if self._behavior.endless is not None:
            await self._send_endlessly(self._behavior.endless)
        await self._end()

    def _due(self, made: int) -> bool:
        """Whether a chunk is due; the token at the limit is sent with the finish reason."""
        if made == self._reply.total and self._reply.finish_reason == "length":
            return False
        return made == 1 or (made - 1) % self._behavior.stream_interval == 0

    async def _open(self) -> None:
        """Send the role, as vLLM does with the first token."""
        if not self._opened:
            self._opened = True
            await self._send(self._chunks.role_chunk(self._behavior.message))

    async def _send(self, chunk: dict[str, Any]) -> None:
        usage = self._active.usage(self._reply) if self._continuous else None
        if usage is not None:
            chunk["usage"] = usage
        await self._writer.write_event(dumps(chunk))
        if usage is not None:
            self._active.record.last_reported_tokens = int(usage.get("completion_tokens") or 0)

    def _pending(self) -> dict[str, str]:
        """Return the delta of the generated tokens that are not sent yet."""
        first, last = self._emitted, self._active.record.generated
        self._emitted = last
        return self._reply.delta(first, last) if last > first else {"content": ""}

    async def _emit(self) -> None:
        if self._active.record.generated > self._emitted:
            await self._write_events()
            await self._send(self._chunks.delta_chunk(self._pending()))

    async def _write_events(self) -> None:
        for event in self._behavior.events:
            await self._writer.write_raw(event)

    async def _struck(self, made: int) -> bool:
        """Apply the faults after `made` tokens; return whether they ended the reply."""
        behavior, total = self._behavior, self._reply.total

        def strikes(fault: object) -> bool:
            return isinstance(fault, int) and min(fault, total) == made

        if strikes(behavior.malformed):
            await self._emit()
            chunk = dumps(self._chunks.delta_chunk({"content": "broken"}))
            await self._writer.write_event(chunk[: len(chunk) // 2])
        if strikes(behavior.stream_error):
            await self._emit()
            await self._writer.write_event(dumps(self._error()))
            await self._close("failed", done=behavior.done)
            return True
        if strikes(behavior.reset):
            await self._emit()
            await self._writer.flush()
            await reset_connection(self._active)
        if strikes(behavior.hang):
            await self._emit()
            await self._writer.flush()
            await wait_forever()
        if behavior.truncate is not None and made == total // 2:
            await self._emit()
            await self._writer.flush()
            if behavior.truncate == "connection":
                await close_connection(self._active)
            await self._close("cut", done=False)
            return True
        return False

    def _error(self) -> dict[str, Any]:
        error = self._behavior.error
        return error_json(error, 500) if isinstance(error, str) else dict(error)

    async def _send_endlessly(self, kind: Endless) -> NoReturn:
        await self._emit()
        await self._writer.flush()
        last = max(self._reply.total - 1, 0)
        again = self._reply.delta(last, last + 1)
        while True:
            await asyncio.sleep(self._behavior.ping_interval)
            if kind != "tokens":
                await self._writer.write_keep_alive(kind)
                continue
            self._generation.generate()
            await self._send(self._chunks.delta_chunk(again))

    async def _end(self) -> None:
        behavior, reason = self._behavior, self._reply.finish_reason
        if reason is None:
            await self._emit()
        else:
            if behavior.bare_end:
                await self._emit()
            last = self._chunks.final_chunk(self._pending(), reason)
            if behavior.bare_end:
                del last["choices"][0]["delta"]
            if not self._include_usage:
                last["system_fingerprint"] = FINGERPRINT
            await self._send(last)
        usage = self._active.usage(self._reply) if self._include_usage else None
        if usage is not None:
            await self._writer.write_event(dumps(self._chunks.usage_chunk(usage)))
            self._active.log.send_usage(self._active.record, usage)
        if behavior.reset == "before_done":
            await self._writer.flush()
            await reset_connection(self._active)
        self._active.log.finish_request(self._active.record, reason)
        await self._close("finished", done=behavior.done)

    async def _close(self, outcome: Outcome, *, done: bool) -> None:
        await _close_stream(self._active, self._response, self._writer, outcome, done=done)
