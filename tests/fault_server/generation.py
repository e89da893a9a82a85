"""Capacity and timing: when a request starts, and when its tokens are generated."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.fault_server.behavior import Behavior
from tests.fault_server.payloads import reported_usage
from tests.fault_server.request_log import RequestLog
from tests.fault_server.request_record import Record
from tests.fault_server.tokenization import (
    PrefixCache,
    TokenizedReply,
    prompt_text,
    token_count,
    tokenize_reply,
)

MIN_TICK_SECONDS = 0.01


class Capacity:
    """A limit of concurrent requests with a queue, and the service time of one request."""

    def __init__(self, *, slots: int | None, service_time: float) -> None:
        self.service_time = service_time
        self._slots = None if slots is None else asyncio.Semaphore(slots)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        if self._slots is None:
            yield
        else:
            async with self._slots:
                yield


@dataclass(slots=True, kw_only=True)
class ActiveRequest:
    """One chat request in progress."""

    request: web.BaseRequest
    body: dict[str, Any]
    behavior: Behavior
    record: Record
    log: RequestLog
    capacity: Capacity
    prefix_cache: PrefixCache

    def start_generation(self) -> Generation:
        """Start generating the reply."""
        prompt = prompt_text(self.body)
        tokens = token_count(prompt)
        self.log.start_generation(self.record, tokens, self.prefix_cache.lookup(prompt))
        reply = tokenize_reply(self.behavior, self.body)
        return Generation(self, reply)

    def usage(self, reply: TokenizedReply) -> dict[str, Any] | None:
        """Return the usage so far, as the behavior reports it."""
        made = self.record.generated
        return reported_usage(
            self.behavior,
            prompt=self.record.prompt_tokens,
            completion=made,
            reasoning_tokens=min(made, reply.reasoning_tokens),
        )


class Generation:
    """Generates the tokens of a reply in time, and records them in the request log."""

    def __init__(self, active: ActiveRequest, reply: TokenizedReply) -> None:
        self.reply = reply
        self._log = active.log
        self._record = active.record
        self._loop = asyncio.get_running_loop()
        behavior = active.behavior
        service = active.capacity.service_time
        share = service / max(reply.total, 1)
        self._interval = behavior.token_delay + share
        self._first = self._loop.time() + behavior.first_token_delay + share
        self._instant = not (behavior.first_token_delay or behavior.token_delay or service)

    async def until(self, token: int) -> None:
        """Wait until a token (from 0) is due; always yields to the event loop."""
        due = self._first + token * self._interval
        await asyncio.sleep(0 if self._instant else max(0.0, due - self._loop.time()))

    def generate(self, tokens: int = 1) -> None:
        """Generate tokens now."""
        self._log.add_tokens(self._record, tokens)

    async def generate_all(self, max_tokens: int | None) -> None:
        """Generate all tokens (or `max_tokens`), several at a time."""
        total = self.reply.total if max_tokens is None else min(max_tokens, self.reply.total)
        if self._instant:
            self.generate(total)
            return
        step = max(1, math.ceil(MIN_TICK_SECONDS / self._interval)) if self._interval else total
        made = 0
        while made < total:
            tick = min(step, total - made)
            await self.until(made + tick - 1)
            self.generate(tick)
            made += tick
        if total == 0:
            await self.until(0)
