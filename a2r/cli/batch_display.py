"""The progress of a batch: a live view on a terminal, else log lines; and its counts at the end."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from a2r._internal.logging import get_logger
from a2r._internal.task_isolation import cancel_and_wait
from a2r._internal.text import strip_control_characters
from a2r.cli.table import format_table
from a2r.result import ROLES

if TYPE_CHECKING:
    from a2r.batch import BatchProgress
    from a2r.batch.dry_run import DryRun
    from a2r.config import LoadedConfig

LOG_SECONDS = 30.0
FRAMES_PER_SECOND = 4
SCHEMA_VERSION = 1
BAR_WIDTH = 40


class BatchDisplay:
    """Shows the progress on a terminal."""

    def __init__(self, progress: BatchProgress, loaded: LoadedConfig) -> None:
        self._progress = progress
        self._currency = loaded.config.explorer.price.currency
        self._live = Live(
            console=Console(stderr=True),
            get_renderable=self._table,
            refresh_per_second=FRAMES_PER_SECOND,
        )

    async def __aenter__(self) -> None:
        """Start the display."""
        self._live.start()

    async def __aexit__(self, *_: object) -> None:
        """Release the terminal."""
        self._live.stop()

    def _table(self) -> Table:
        progress, counts = self._progress, self._progress.counts
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        table.add_row("questions", _bar(progress))
        for title, text in _lines(progress, self._currency):
            table.add_row(title, Text(strip_control_characters(text)))
        if counts.errors:
            table.add_row("errors", Text(_counted(counts.errors), style="red"))
        if progress.waiting:
            waiting = Text(strip_control_characters(progress.waiting), style="yellow")
            table.add_row("waiting", waiting)
        return table


class BatchLog:
    """Logs the progress every `LOG_SECONDS`."""

    def __init__(self, progress: BatchProgress) -> None:
        self._progress = progress
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        """Start to log."""
        self._task = asyncio.create_task(self._run())

    async def __aexit__(self, *_: object) -> None:
        """Stop to log."""
        if self._task is not None:
            await cancel_and_wait([self._task])

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOG_SECONDS)
            progress, counts = self._progress, self._progress.counts
            get_logger().warning(
                "batch progress",
                questions=counts.questions,
                expected=progress.expected,
                in_flight=progress.in_flight,
                remaining_seconds=_rounded(progress.remaining_seconds),
                completion_tokens=counts.usage.completion_tokens,
                cost=counts.usage.cost,
                errors=dict(counts.errors) or None,
                waiting=progress.waiting,
            )


def _rounded(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds)


def _bar(progress: BatchProgress) -> Table:
    done, expected = progress.counts.questions, progress.expected
    row = Table.grid(padding=(0, 1))
    rest = progress.remaining_seconds
    left = "" if rest is None else f"about {timedelta(seconds=round(rest))} left"
    row.add_row(
        ProgressBar(total=expected, completed=done, width=BAR_WIDTH, pulse=expected is None),
        f"{done} of {'?' if expected is None else expected}, {progress.in_flight} running",
        left,
    )
    return row


def _lines(progress: BatchProgress, currency: str) -> Iterator[tuple[str, str]]:
    counts, usage, seconds = progress.counts, progress.counts.usage, max(progress.seconds, 1e-9)
    tokens = progress.usage.completion_tokens
    speed = f"{progress.asked / seconds:.2f} questions/s"
    if tokens is not None:
        speed += f", {tokens / seconds:.0f} completion tokens/s"
    yield "speed", speed
    cost = "unknown" if usage.cost is None else f"{usage.cost:.4f} {currency}".rstrip()
    yield "cost", cost
    yield "methods", _counted(counts.methods) or "none yet"
    if counts.graded:
        yield "correct", f"{counts.correct} of {counts.graded}"


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common() if count)


def print_counts(progress: BatchProgress, loaded: LoadedConfig, *, as_json: bool) -> None:
    """Print what happened in the whole batch, also in earlier processes."""
    counts, usage = progress.counts, progress.counts.usage
    if as_json:
        document = {
            "schema_version": SCHEMA_VERSION,
            "questions": counts.questions,
            "statuses": _positive(counts.statuses),
            "methods": _positive(counts.methods),
            "errors": _positive(counts.errors),
            "graded": counts.graded,
            "correct": counts.correct,
            "usage": usage.model_dump(mode="json"),
            "seconds": progress.seconds,
            "asked": progress.asked,
        }
        print(json.dumps(document, indent=2))
        return
    currency = loaded.config.explorer.price.currency
    about = "about " if usage.estimated else ""
    rows = [
        ("questions", str(counts.questions)),
        *((f"  {name}", str(count)) for name, count in sorted(_positive(counts.statuses).items())),
        *((f"method {name}", str(n)) for name, n in counts.methods.most_common() if n),
        *((f"error {name}", str(n)) for name, n in counts.errors.most_common() if n),
    ]
    if counts.graded:
        share = counts.correct / counts.graded
        rows.append(("correct", f"{counts.correct} of {counts.graded} ({share:.1%})"))
    rows += [
        ("calls", str(usage.calls)),
        ("prompt tokens", f"{about}{_known(usage.prompt_tokens)}"),
        ("completion tokens", f"{about}{_known(usage.completion_tokens)}"),
        ("cost", "unknown" if usage.cost is None else f"{usage.cost:.6f} {currency}".rstrip()),
        ("seconds", f"{progress.seconds:.1f} for {progress.asked} questions of this command"),
    ]
    for line in format_table(("batch", loaded.name), rows):
        print(strip_control_characters(line))


def print_dry_run(counts: DryRun, *, as_json: bool) -> None:
    """Print the calls that a batch would make, and those whose replies are recorded."""
    if as_json:
        document = {
            "schema_version": SCHEMA_VERSION,
            "questions": counts.questions,
            "recorded": dict(counts.recorded),
            "calls": dict(counts.calls),
        }
        print(json.dumps(document, indent=2))
        return
    rows = [(role, str(counts.recorded[role]), str(counts.calls[role])) for role in ROLES]
    print(f"{counts.questions} questions; calls whose replies are not known count once")
    for line in format_table(("role", "recorded replies", "calls to make"), rows):
        print(line)


def _known(count: int | None) -> str:
    return "unknown" if count is None else str(count)


def _positive(counts: Counter[str]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}
