"""Log lines about connections: one a minute, however many clients misbehave."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from a2r._internal.logging import get_logger

INTERVAL = 60.0
# Warnings of uvicorn that every client can cause, and asyncio's error without file descriptors.
CLIENT_WARNINGS = ("Invalid HTTP request received.", "Unsupported upgrade request.")
NO_DESCRIPTORS = "socket.accept() out of system resource"


@dataclass(kw_only=True)
class ConnectionLog:
    """Counts what happens to connections by reason: logged at once, then once a minute."""

    interval: float = INTERVAL
    _counts: Counter[str] = field(default_factory=Counter)
    _timer: asyncio.TimerHandle | None = None

    def note(self, reason: str) -> None:
        """Count an event; must be called from the event loop."""
        self._counts[reason] += 1
        if self._timer is None:
            self._log()

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Count the warnings of uvicorn about clients, and asyncio's failures to accept."""
        loop, logger = asyncio.get_running_loop(), logging.getLogger("uvicorn.error")
        logger.addFilter(self._is_other)
        previous = loop.get_exception_handler()
        loop.set_exception_handler(self._on_loop_error)
        try:
            yield
        finally:
            loop.set_exception_handler(previous)
            logger.removeFilter(self._is_other)
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _is_other(self, record: logging.LogRecord) -> bool:
        if record.msg not in CLIENT_WARNINGS:
            return True
        self.note("refused: invalid request")
        return False

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if context.get("message") == NO_DESCRIPTORS:
            self.note("not accepted: no free file descriptor (see ulimit -n)")
        else:
            loop.default_exception_handler(context)

    def _log(self) -> None:
        self._timer = None
        if not self._counts:
            return
        for reason, count in self._counts.items():
            get_logger().warning("connections", reason=reason, count=count)
        self._counts.clear()
        self._timer = asyncio.get_running_loop().call_later(self.interval, self._log)
