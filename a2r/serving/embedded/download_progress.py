"""Showing how far a download is: a bar on a terminal, else nothing but the log."""

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
from rich.progress import Progress as Bar

from a2r._internal.logging import get_logger


class DownloadProgress(Protocol):
    """Told about the bytes that have arrived so far."""

    def update(self, done: int, total: int | None = None) -> None:
        """Say that `done` bytes are there, of `total` if that is known by now."""

    def __enter__(self) -> DownloadProgress:
        """Begin to show."""

    def __exit__(self, *_: object) -> None:
        """Stop showing."""


class BarProgress:
    """A progress bar on stderr."""

    def __init__(self, title: str, total: int | None) -> None:
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task: TaskID = self._bar.add_task(title, total=total)

    def update(self, done: int, total: int | None = None) -> None:
        """Move the bar."""
        if total is None:
            self._bar.update(self._task, completed=done)
        else:
            self._bar.update(self._task, completed=done, total=total)

    def __enter__(self) -> BarProgress:
        """Draw the bar."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the bar as it is."""
        self._bar.stop()


class LogProgress:
    """A line in the log at the beginning and after each tenth."""

    def __init__(self, title: str, total: int | None) -> None:
        self._title = title
        self._total = total
        self._tenths = 0

    def update(self, done: int, total: int | None = None) -> None:
        """Log if another tenth is there."""
        self._total = total or self._total
        tenths = done * 10 // self._total if self._total else 0
        if tenths > self._tenths:
            self._tenths = tenths
            get_logger().info(self._title, bytes=done, total=self._total)

    def __enter__(self) -> LogProgress:
        """Log the beginning."""
        get_logger().info(self._title, total=self._total)
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left to say."""


def show_on_stderr(title: str, total: int | None) -> DownloadProgress:
    """A bar if stderr is a terminal, else lines in the log."""
    if Console(stderr=True).is_terminal:
        return BarProgress(title, total)
    return LogProgress(title, total)
