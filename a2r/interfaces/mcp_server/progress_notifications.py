"""How far a run is, as MCP's progress notifications take it: numbers that only grow, and words."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from a2r._internal.text import plain
from a2r.events import (
    AnyEvent,
    Finished,
    RunStarted,
    SampleFinished,
    SampleProgress,
    SynthesisDelta,
)
from a2r.interfaces.chat.progress_text import Progress
from a2r.result import Result

Send = Callable[[float, float | None, str], Awaitable[None]]
LONGEST_NOTE = 300


@dataclass(kw_only=True)
class Telling:
    """Tells a run's events through `send`; what it sends comes in order, each value once.

    A finished sample is worth 1, and so is what comes after the last of them. What is told in
    between lies between: the protocol wants every notification to be further than the last.
    """

    send: Send
    words: Progress = field(default_factory=Progress)
    planned: int | None = None
    finished: int = 0
    _between: int = 0
    _tokens: dict[int, int] = field(default_factory=dict)
    _written: int = 0
    _over: bool = False
    _begun: float = field(default_factory=time.monotonic)
    _told: float = field(default_factory=time.monotonic)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def tell(self, event: AnyEvent) -> None:
        """Tell an event, if it is worth a notification."""
        match event:
            case RunStarted():
                self.planned = event.samples
                self.words.tell(event)
                await self._note(f"draws {event.samples} samples at most")
            case SampleProgress():
                self._tokens[event.index] = event.tokens
            case SynthesisDelta():
                self._written += 1
            case SampleFinished():
                self._tokens.pop(event.sample.index, None)
                self.finished += 1
                self._between = 0
                await self._note(self.words.tell(event))
            case Finished():
                await self._end(event.result)
            case _:
                if text := self.words.tell(event):
                    await self._note(text)

    async def beat(self, seconds: float) -> None:
        """Tell that the run goes on whenever nothing else was told for so long."""
        while not self._over:
            silent = time.monotonic() - self._told
            if silent < seconds:
                await asyncio.sleep(seconds - silent)
            else:
                await self._note(self._still())

    async def _note(self, text: str) -> None:
        async with self._turn:
            if self._over:
                return
            # n / (n + 1) comes closer to 1 with every note, and never reaches it.
            value = self.finished + self._between / (self._between + 1)
            self._between += 1
            await self._send(value, text)

    async def _end(self, result: Result) -> None:
        async with self._turn:
            self._over = True
            answer = "no answer" if result.answer is None else f"answer {result.answer}"
            how = "" if result.method is None else f"{result.method}: "
            await self._send(float(self._total() or 1), f"{how}{answer}")

    async def _send(self, value: float, text: str) -> None:
        self._told = time.monotonic()
        await self.send(value, self._total(), plain(text, LONGEST_NOTE))

    def _total(self) -> float | None:
        return None if self.planned is None else 1.0 + max(self.planned, self.finished)

    def _still(self) -> str:
        seconds = f"{time.monotonic() - self._begun:.0f} s"
        if self.planned is None:
            return f"getting ready, {seconds}"
        if self._written:
            return f"the synthesizer writes, {seconds}"
        running = sum(self._tokens.values())
        return f"{self.finished} samples are done, {running} tokens of others so far, {seconds}"
