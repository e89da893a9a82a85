"""Signals that end a command: the first in order, a second at once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Takes SIGINT, SIGTERM and SIGHUP while it is entered; from the second on calls `hurry`.

    A SIGHUP that whoever started the process ignores, as nohup does, stays ignored.
    """

    def __init__(self, hurry: Callable[[], None]) -> None:
        self._hurry = hurry
        self._asked = asyncio.Event()
        self._taken: list[signal.Signals] = []
        self.hurried = False

    def __enter__(self) -> Interrupts:
        """Take the signals."""
        loop = asyncio.get_running_loop()
        for number in ENDING:
            if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue
            loop.add_signal_handler(number, self._on_signal)
            self._taken.append(number)
        return self

    def __exit__(self, *_: object) -> None:
        """Give the signals back."""
        loop = asyncio.get_running_loop()
        for number in self._taken:
            loop.remove_signal_handler(number)

    async def unless_asked(self, work: Coroutine[object, object, None]) -> bool:
        """Do the work, and cancel it when a signal comes; whether it was done."""
        task = asyncio.create_task(work)
        asked = asyncio.create_task(self._asked.wait())
        try:
            await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            asked.cancel()
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        if task.cancelled():
            return False
        task.result()
        return True

    def _on_signal(self) -> None:
        if self._asked.is_set():
            self.hurried = True
            self._hurry()
        self._asked.set()
