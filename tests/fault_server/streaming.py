"""A streamed reply, event by event, and what goes wrong in it."""

from __future__ import annotations

import asyncio
import time
from typing import Any, NoReturn

from aiohttp import web

from tests.fault_server.behaviour import Endless
from tests.fault_server.generation import Exchange, Generation
from tests.fault_server.records import Outcome
from tests.fault_server.wire import FINGERPRINT, Chunks, dumps, error_json, new_id
from tests.fault_server.writing import EventWriter, break_off, close_early, never

SSE_HEADERS = {"Server": "uvicorn", "Content-Type": "text/event-stream; charset=utf-8"}


async def stream_reply(exchange: Exchange) -> web.StreamResponse:
    """Answer with server-sent events; the headers go out before the request's turn comes."""
    headers = {**SSE_HEADERS, **exchange.behaviour.headers}
    response = web.StreamResponse(headers=headers)
    await response.prepare(exchange.request)
    exchange.books.answer(exchange.record, 200)
    async with exchange.capacity.slot():
        await _Stream(exchange, response).run()
    return response


class _Stream:
    def __init__(self, exchange: Exchange, response: web.StreamResponse) -> None:
        options = exchange.body.get("stream_options") or {}
        self._exchange = exchange
        self._behaviour = exchange.behaviour
        self._response = response
        self._writer = EventWriter(response, exchange.behaviour)
        self._generation: Generation = exchange.generation()
        self._speech = self._generation.speech
        self._chunks = Chunks(new_id(), int(time.time()), exchange.record.model)
        self._include_usage = bool(options.get("include_usage"))
        self._continuous = self._include_usage and bool(options.get("continuous_usage_stats"))
        self._emitted = 0
        self._opened = False

    async def run(self) -> None:
        if self._behaviour.hang == "after_headers":
            await never()
        total = self._speech.total
        for made in range(total):
            if await self._struck(made):
                return
            await self._generation.until(made)
            await self._open()
            self._generation.make()
            if self._due(made + 1):
                await self._emit()
        if await self._struck(total):
            return
        await self._generation.until(0)
        await self._open()
        if self._behaviour.endless is not None:
            await self._go_on(self._behaviour.endless)
        await self._end()

    def _due(self, made: int) -> bool:
        """Whether a chunk goes out; the token that hits the limit goes with the finish reason."""
        if made == self._speech.total and self._speech.finish_reason == "length":
            return False
        return made == 1 or (made - 1) % self._behaviour.stream_interval == 0

    async def _open(self) -> None:
        """The role, which vLLM sends when the first token is there."""
        if not self._opened:
            self._opened = True
            await self._send(self._chunks.role(self._behaviour.message))

    async def _send(self, chunk: dict[str, Any]) -> None:
        usage = self._exchange.usage(self._speech) if self._continuous else None
        if usage is not None:
            chunk["usage"] = usage
        await self._writer.event(dumps(chunk))
        if usage is not None:
            self._exchange.record.told_so_far = int(usage.get("completion_tokens") or 0)

    def _pending(self) -> dict[str, str]:
        """The delta of the tokens that were made and not yet sent."""
        first, last = self._emitted, self._exchange.record.generated
        self._emitted = last
        return self._speech.delta(first, last) if last > first else {"content": ""}

    async def _emit(self) -> None:
        if self._exchange.record.generated > self._emitted:
            await self._send(self._chunks.delta(self._pending()))

    async def _struck(self, made: int) -> bool:
        """Do what goes wrong after so many tokens; true when the reply ended with it."""
        behaviour, total = self._behaviour, self._speech.total

        def strikes(fault: object) -> bool:
            return isinstance(fault, int) and min(fault, total) == made

        if strikes(behaviour.malformed):
            await self._emit()
            whole = dumps(self._chunks.delta({"content": "broken"}))
            await self._writer.event(whole[: len(whole) // 2])
        if strikes(behaviour.stream_error):
            await self._emit()
            await self._writer.event(dumps(self._error()))
            await self._close("failed", done=behaviour.done)
            return True
        if strikes(behaviour.reset):
            await self._emit()
            await self._writer.flush()
            await break_off(self._exchange)
        if strikes(behaviour.hang):
            await self._emit()
            await self._writer.flush()
            await never()
        if behaviour.truncate is not None and made == total // 2:
            await self._emit()
            await self._writer.flush()
            if behaviour.truncate == "connection":
                await close_early(self._exchange)
            await self._close("cut", done=False)
            return True
        return False

    def _error(self) -> dict[str, Any]:
        error = self._behaviour.error
        return error_json(error, 500) if isinstance(error, str) else dict(error)

    async def _go_on(self, kind: Endless) -> NoReturn:
        await self._emit()
        await self._writer.flush()
        last = max(self._speech.total - 1, 0)
        again = self._speech.delta(last, last + 1)
        while True:
            await asyncio.sleep(self._behaviour.ping_interval)
            if kind != "tokens":
                await self._writer.nothing(kind)
                continue
            self._generation.make()
            await self._send(self._chunks.delta(again))

    async def _end(self) -> None:
        behaviour, reason = self._behaviour, self._speech.finish_reason
        if reason is None:
            await self._emit()
        else:
            last = self._chunks.last(self._pending(), reason)
            if not self._include_usage:
                last["system_fingerprint"] = FINGERPRINT
            await self._send(last)
        usage = self._exchange.usage(self._speech) if self._include_usage else None
        if usage is not None:
            await self._writer.event(dumps(self._chunks.usage(usage)))
            self._exchange.books.tell(self._exchange.record, usage)
        if behaviour.reset == "before_done":
            await self._writer.flush()
            await break_off(self._exchange)
        self._exchange.books.finish(self._exchange.record, reason)
        await self._close("finished", done=behaviour.done)

    async def _close(self, outcome: Outcome, *, done: bool) -> None:
        """End the stream; the books know before the client can."""
        self._exchange.books.leave(self._exchange.record, outcome)
        if done:
            await self._writer.event("[DONE]")
        await self._writer.flush()
        await self._response.write_eof()
