"""Shutdown signals: the first one stops a command gracefully, the second one at once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine

from a2r._internal.task_isolation import cancel_and_wait

SHUTDOWN_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class SignalHandler:
    """Handles SIGINT, SIGTERM and SIGHUP within its context; calls `on_second` from the second on.

    A SIGHUP that is ignored when the context starts, as with nohup, stays ignored.

    Attributes:
        forced: whether a second signal came.
    """

    def __init__(self, on_second: Callable[[], None]) -> None:
        self._on_second = on_second
        self._requested = asyncio.Event()
        self._installed: list[signal.Signals] = []
        self.forced = False

    def __enter__(self) -> SignalHandler:
        """Install the handlers."""
        loop = asyncio.get_running_loop()
        for number in SHUTDOWN_SIGNALS:
            if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue
            loop.add_signal_handler(number, self._on_signal)
            self._installed.append(number)
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the handlers."""
        loop = asyncio.get_running_loop()
        for number in self._installed:
            loop.remove_signal_handler(number)

    async def run_until_signal(self, work: Coroutine[object, object, None]) -> bool:
        """Run the work and cancel it at the first signal; return whether it was completed."""
        task = asyncio.create_task(work)
        requested = asyncio.create_task(self._requested.wait())
        try:
            await asyncio.wait({task, requested}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel_and_wait([task, requested])
        if task.cancelled():
            return False
        task.result()
        return True

    def _on_signal(self) -> None:
        if self._requested.is_set():
            self.forced = True
            self._on_second()
        self._requested.set()
