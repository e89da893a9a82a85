"""Show the progress of a download: a bar on a terminal, log lines elsewhere."""

from __future__ import annotations

from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as RichProgress

from a2r._internal.logging import get_logger


class DownloadProgress(Protocol):
    """Receives the number of downloaded bytes."""

    def update(self, done: int, total: int | None = None) -> None:
        """Report `done` bytes of `total`, if the total is known."""

    def __enter__(self) -> DownloadProgress:
        """Start the display."""

    def __exit__(self, *_: object) -> None:
        """Stop the display."""


class BarProgress:
    """A progress bar on stderr."""

    def __init__(self, title: str, total: int | None) -> None:
        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task: TaskID = self._bar.add_task(title, total=total)

    def update(self, done: int, total: int | None = None) -> None:
        """Update the bar."""
        if total is None:
            self._bar.update(self._task, completed=done)
        else:
            self._bar.update(self._task, completed=done, total=total)

    def __enter__(self) -> BarProgress:
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop updating the bar."""
        self._bar.stop()


class LogProgress:
    """A log line at the start and after each tenth."""

    def __init__(self, title: str, total: int | None) -> None:
        self._title = title
        self._total = total
        self._tenths = 0

    def update(self, done: int, total: int | None = None) -> None:
        """Log if another tenth has arrived."""
        self._total = total or self._total
        tenths = done * 10 // self._total if self._total else 0
        if tenths > self._tenths:
            self._tenths = tenths
            get_logger().info(self._title, bytes=done, total=self._total)

    def __enter__(self) -> LogProgress:
        """Log the start."""
        get_logger().info(self._title, total=self._total)
        return self

    def __exit__(self, *_: object) -> None:
        """Log nothing at the end."""


def show_on_stderr(title: str, total: int | None) -> DownloadProgress:
    """A bar if stderr is a terminal, log lines otherwise."""
    if Console(stderr=True).is_terminal:
        return BarProgress(title, total)
    return LogProgress(title, total)
