"""How far a run is, as MCP's progress notifications take it: numbers that only grow, and words."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from a2r._internal.text import one_line
from a2r.events import (
    AnyEvent,
    RunFinished,
    RunStarted,
    SampleFinished,
    SampleProgress,
    SynthesisDelta,
)
from a2r.interfaces.chat.progress_text import ProgressText
from a2r.result import Result

Send = Callable[[float, float | None, str], Awaitable[None]]
MAX_NOTE_CHARACTERS = 300


@dataclass(kw_only=True)
class ProgressReporter:
    """Tells a run's events through `send`; what it sends comes in order, each value once.

    A finished sample is worth 1, and so is what comes after the last of them. What is told in
    between lies between: the protocol wants every notification to be further than the last.
    """

    send: Send
    words: ProgressText = field(default_factory=ProgressText)
    planned: int | None = None
    finished: int = 0
    _between: int = 0
    _tokens: dict[int, int] = field(default_factory=dict)
    _written: int = 0
    _done: bool = False
    _started_at: float = field(default_factory=time.monotonic)
    _last_sent: float = field(default_factory=time.monotonic)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def report(self, event: AnyEvent) -> None:
        """Tell an event, if it is worth a notification."""
        match event:
            case RunStarted():
                self.planned = event.samples
                self.words.line(event)
                await self._note(f"draws {event.samples} samples at most")
            case SampleProgress():
                self._tokens[event.index] = event.tokens
            case SynthesisDelta():
                self._written += 1
            case SampleFinished():
                self._tokens.pop(event.sample.index, None)
                self.finished += 1
                self._between = 0
                await self._note(self.words.line(event))
            case RunFinished():
                await self._end(event.result)
            case _:
                if text := self.words.line(event):
                    await self._note(text)

    async def heartbeat(self, seconds: float) -> None:
        """Tell that the run goes on whenever nothing else was told for so long."""
        while not self._done:
            silent = time.monotonic() - self._last_sent
            if silent < seconds:
                await asyncio.sleep(seconds - silent)
            else:
                await self._note(self._status())

    async def _note(self, text: str) -> None:
        async with self._turn:
            if self._done:
                return
            # n / (n + 1) comes closer to 1 with every note, and never reaches it.
            value = self.finished + self._between / (self._between + 1)
            self._between += 1
            await self._send(value, text)

    async def _end(self, result: Result) -> None:
        async with self._turn:
            self._done = True
            answer = "no answer" if result.answer is None else f"answer {result.answer}"
            how = "" if result.method is None else f"{result.method}: "
            await self._send(float(self._total() or 1), f"{how}{answer}")

    async def _send(self, value: float, text: str) -> None:
        self._last_sent = time.monotonic()
        await self.send(value, self._total(), one_line(text, MAX_NOTE_CHARACTERS))

    def _total(self) -> float | None:
        return None if self.planned is None else 1.0 + max(self.planned, self.finished)

    def _status(self) -> str:
        seconds = f"{time.monotonic() - self._started_at:.0f} s"
        if self.planned is None:
            return f"getting ready, {seconds}"
        if self._written:
            return f"the synthesizer writes, {seconds}"
        running = sum(self._tokens.values())
        return f"{self.finished} samples are done, {running} tokens of others so far, {seconds}"
