"""The progress of a run as MCP progress notifications: an increasing number and a message."""

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
from a2r.interfaces.chat.progress_text import ProgressText, format_result, format_start
from a2r.result import Result

Send = Callable[[float, float | None, str], Awaitable[None]]
MAX_MESSAGE_CHARACTERS = 300


@dataclass(kw_only=True)
class ProgressReporter:
    """Sends the events of a run as notifications, in order and each with a greater value.

    A finished sample counts 1, and so does everything after the last sample. Other notifications
    have values in between, as the protocol requires that every notification increases the value.
    """

    send: Send
    text: ProgressText = field(default_factory=ProgressText)
    max_samples: int | None = None
    finished: int = 0
    _steps: int = 0
    _tokens: dict[int, int] = field(default_factory=dict)
    _synthesizing: bool = False
    _done: bool = False
    _started_at: float = field(default_factory=time.monotonic)
    _last_sent: float = field(default_factory=time.monotonic)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def report(self, event: AnyEvent) -> None:
        """Send a notification for an event, unless it is a token."""
        match event:
            case RunStarted():
                self.max_samples = event.samples
                self.text.line(event)
                await self._notify(format_start(event))
            case SampleProgress():
                self._tokens[event.index] = event.tokens
            case SynthesisDelta():
                self._synthesizing = True
            case SampleFinished():
                self._tokens.pop(event.sample.index, None)
                self.finished += 1
                self._steps = 0
                await self._notify(self.text.line(event))
            case RunFinished():
                await self._finish(event.result)
            case _:
                if line := self.text.line(event):
                    await self._notify(line)

    async def heartbeat(self, seconds: float) -> None:
        """Send a status whenever nothing was sent for so many seconds, until the run ends."""
        while not self._done:
            idle = time.monotonic() - self._last_sent
            if idle < seconds:
                await asyncio.sleep(seconds - idle)
            else:
                await self._notify(self._status())

    async def _notify(self, message: str) -> None:
        async with self._lock:
            if self._done:
                return
            # n / (n + 1) increases with every step, and never reaches 1.
            value = self.finished + self._steps / (self._steps + 1)
            self._steps += 1
            await self._send(value, message)

    async def _finish(self, result: Result) -> None:
        async with self._lock:
            self._done = True
            await self._send(float(self._total() or 1), format_result(result))

    async def _send(self, value: float, message: str) -> None:
        self._last_sent = time.monotonic()
        await self.send(value, self._total(), one_line(message, MAX_MESSAGE_CHARACTERS))

    def _total(self) -> float | None:
        return None if self.max_samples is None else 1.0 + max(self.max_samples, self.finished)

    def _status(self) -> str:
        seconds = f"{time.monotonic() - self._started_at:.0f} s"
        if self.max_samples is None:
            return f"warming up, {seconds}"
        if self._synthesizing:
            return f"synthesizing, {seconds}"
        tokens = sum(self._tokens.values())
        return f"{self.finished} samples finished, {tokens} tokens of running samples, {seconds}"
