"""Signals that end a command: the first in order, a second at once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine

from a2r._internal.task_isolation import cancel_and_wait

SHUTDOWN_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class SignalHandler:
    """Takes SIGINT, SIGTERM and SIGHUP while it is entered; from the second on calls `hurry`.

    A SIGHUP that whoever started the process ignores, as nohup does, stays ignored.
    """

    def __init__(self, hurry: Callable[[], None]) -> None:
        self._on_second = hurry
        self._requested = asyncio.Event()
        self._installed: list[signal.Signals] = []
        self.forced = False

    def __enter__(self) -> SignalHandler:
        """Take the signals."""
        loop = asyncio.get_running_loop()
        for number in SHUTDOWN_SIGNALS:
            if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue
            loop.add_signal_handler(number, self._on_signal)
            self._installed.append(number)
        return self

    def __exit__(self, *_: object) -> None:
        """Give the signals back."""
        loop = asyncio.get_running_loop()
        for number in self._installed:
            loop.remove_signal_handler(number)

    async def run_until_signal(self, work: Coroutine[object, object, None]) -> bool:
        """Do the work, and cancel it when a signal comes; whether it was done."""
        task = asyncio.create_task(work)
        asked = asyncio.create_task(self._requested.wait())
        try:
            await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel_and_wait([task, asked])
        if task.cancelled():
            return False
        task.result()
        return True

    def _on_signal(self) -> None:
        if self._requested.is_set():
            self.forced = True
            self._on_second()
        self._requested.set()
