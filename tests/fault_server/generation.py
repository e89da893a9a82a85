"""Capacity and time: when a request's turn is, and when its tokens are made."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.fault_server.behaviour import Behaviour
from tests.fault_server.books import Books
from tests.fault_server.records import Record
from tests.fault_server.speech import PrefixCache, Speech, prompt_of, speech_of, token_count
from tests.fault_server.wire import usage_of

SHORTEST_TICK = 0.01


class Capacity:
    """So many requests at once, the rest in a queue; and how long one takes."""

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
class Exchange:
    """One chat request under way."""

    request: web.BaseRequest
    body: dict[str, Any]
    behaviour: Behaviour
    record: Record
    books: Books
    capacity: Capacity
    prefixes: PrefixCache

    def generation(self) -> Generation:
        """The model takes up the request."""
        prompt = prompt_of(self.body)
        tokens = token_count(prompt)
        self.books.run(self.record, tokens, self.prefixes.cached(prompt))
        speech = speech_of(self.behaviour, self.body)
        return Generation(self, speech)

    def usage(self, speech: Speech) -> dict[str, Any] | None:
        """The usage as of now, told the way the behaviour tells it."""
        made = self.record.generated
        return usage_of(
            self.behaviour,
            prompt=self.record.prompt_tokens,
            completion=made,
            thought=min(made, speech.reasoning_tokens),
        )


class Generation:
    """Makes a speech's tokens at their times, and writes them into the books."""

    def __init__(self, exchange: Exchange, speech: Speech) -> None:
        self.speech = speech
        self._books = exchange.books
        self._record = exchange.record
        self._loop = asyncio.get_running_loop()
        behaviour = exchange.behaviour
        service = exchange.capacity.service_time
        share = service / max(speech.total, 1)
        self._interval = behaviour.token_delay + share
        self._first = self._loop.time() + behaviour.first_token_delay + share
        self._instant = not (behaviour.first_token_delay or behaviour.token_delay or service)

    async def until(self, token: int) -> None:
        """Wait until a token (from 0) is due; always lets others have a turn."""
        due = self._first + token * self._interval
        await asyncio.sleep(0 if self._instant else max(0.0, due - self._loop.time()))

    def make(self, tokens: int = 1) -> None:
        """Make so many tokens now."""
        self._books.generate(self._record, tokens)

    async def make_all(self, most: int | None) -> None:
        """Make all the tokens (or so many), a few at a time, as nobody watches."""
        total = self.speech.total if most is None else min(most, self.speech.total)
        if self._instant:
            self.make(total)
            return
        step = max(1, math.ceil(SHORTEST_TICK / self._interval)) if self._interval else total
        made = 0
        while made < total:
            tick = min(step, total - made)
            await self.until(made + tick - 1)
            self.make(tick)
            made += tick
        if total == 0:
            await self.until(0)
