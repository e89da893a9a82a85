"""`a2r batch`: ask the questions of a file, and store every sample and result."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from a2r._internal.logging import configure_logging
from a2r.cli.batch_display import BatchDisplay, BatchLog, print_counts, print_dry_run
from a2r.cli.options import (
    ConfigOption,
    LiveLogFormatOption,
    LogFormat,
    LogLevel,
    LogLevelOption,
    SetOption,
)
from a2r.config import LoadedConfig, default_config_name, load_config
from a2r.errors import InterruptedRunError, NoAnswerError, OptionError

if TYPE_CHECKING:
    from a2r.batch import Batch, BatchSettings
    from a2r.batch.dry_run import DryRun
    from a2r.batch.question_files import Format

BUDGETS = ("tokens", "cost", "seconds")


def batch(
    questions: Annotated[
        str,
        typer.Argument(
            metavar="QUESTIONS",
            help="A file of questions: JSON lines, CSV, TSV or Parquet; - reads stdin. Or a bank, "
            "whose recorded replies are used where the config asks for the same.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="The folder of the bank.")
    ],
    config: ConfigOption = None,
    assignments: SetOption = None,
    mappings: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="FIELD=NAME",
            help="Name of a column, as in question=problem or gold=answer. Repeatable.",
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option("--format", help="jsonl, csv, tsv or parquet. (default: by the file's name)"),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Read only the first N questions.")
    ] = None,
    max_in_flight: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Questions that run at once. (default: enough to keep the endpoints busy)",
        ),
    ] = None,
    budgets: Annotated[
        list[str] | None,
        typer.Option(
            "--budget",
            metavar="LIMIT",
            help="Maximum of the whole batch: tokens=N, cost=X or seconds=S. Repeatable.",
        ),
    ] = None,
    keep_thinking: Annotated[
        bool, typer.Option("--keep-thinking", help="Store the reasoning of the models, too.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Ask failed questions of the bank again.")
    ] = False,
    accept_changes: Annotated[
        bool,
        typer.Option(
            "--accept-changes",
            help="Continue a bank although the config, the code or the questions have changed.",
        ),
    ] = False,
    endpoint_wait: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="How long to wait for endpoints that cannot be reached.",
        ),
    ] = 3600.0,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Count the calls instead of making them; store nothing."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
    log_format: LiveLogFormatOption = None,
    log_level: LogLevelOption = LogLevel.warning,
) -> None:
    """Ask the questions of a file; every sample and result is stored in a bank.

    The same command continues a bank: no finished question is asked again. Ctrl-C finishes the
    running questions; a second one stops at once.

    Exit codes: 0: every question has an answer, 2: usage, config or bank error, 3: endpoints
    unreachable, 4: a question has no answer, or a budget is exhausted, 130: interrupted.
    """
    from a2r.batch import BatchSettings, QuestionFields

    loaded = load_config(
        config or default_config_name(),
        assignments=[*(assignments or []), *map(_budget_assignment, budgets or [])],
    )
    settings = BatchSettings(
        questions=questions,
        folder=out,
        form=_parse_format(form),
        fields=QuestionFields.parse(mappings or []),
        limit=limit,
        max_in_flight=max_in_flight,
        keep_thinking=keep_thinking,
        retry_failed=retry_failed,
        accept_changes=accept_changes,
        endpoint_wait=endpoint_wait,
    )
    run_batch(
        loaded,
        settings,
        dry_run=dry_run,
        as_json=as_json,
        log_format=log_format,
        log_level=log_level,
    )


def run_batch(
    loaded: LoadedConfig,
    settings: BatchSettings,
    *,
    dry_run: bool,
    as_json: bool,
    log_format: LogFormat | None = None,
    log_level: LogLevel = LogLevel.warning,
) -> None:
    """Run a batch, or count its calls, and print what happened.

    Raises:
        A2RError: the batch ended before all of its questions.
        InterruptedRunError: it was interrupted.
    """
    if dry_run:
        print_dry_run(asyncio.run(_count_calls(loaded, settings)), as_json=as_json)
        return
    live = log_format is None and sys.stderr.isatty()
    if not live:
        configure_logging((log_format or LogFormat.console).value, log_level.value)
    try:
        finished = asyncio.run(_run(loaded, settings, live=live))
    except (KeyboardInterrupt, asyncio.CancelledError) as error:
        raise InterruptedRunError from error
    print_counts(finished.progress, loaded, as_json=as_json)
    if finished.stopped_by is not None:
        raise finished.stopped_by
    if finished.is_stopping:
        raise InterruptedRunError
    counts = finished.progress.counts
    if counts.statuses["answered"] < counts.questions:
        raise typer.Exit(NoAnswerError.exit_code)


def _budget_assignment(budget: str) -> str:
    """A limit as an assignment of the config."""
    name, _, value = budget.partition("=")
    if name.strip() not in BUDGETS or not value.strip():
        raise OptionError(
            f"--budget {budget!r}: expected one of {', '.join(f'{b}=N' for b in BUDGETS)}",
            option="budget",
        )
    return f"budget.session.{name.strip()}={value.strip()}"


def _parse_format(name: str | None) -> Format | None:
    from a2r.batch.question_files import FORMATS

    if name is None:
        return None
    for form in FORMATS:
        if form == name:
            return form
    raise OptionError(f"--format {name!r}: use one of {', '.join(FORMATS)}", option="format")


async def _count_calls(loaded: LoadedConfig, settings: BatchSettings) -> DryRun:
    from a2r.batch.dry_run import count_calls
    from a2r.solver import A2R

    async with A2R(loaded) as solver:
        return await count_calls(solver, settings)


async def _run(loaded: LoadedConfig, settings: BatchSettings, *, live: bool) -> Batch:
    from a2r.batch import Batch
    from a2r.batch.question_files import count_rows
    from a2r.solver import A2R

    async with A2R(loaded) as solver:
        batch = Batch(solver=solver, settings=settings)
        rows = await asyncio.to_thread(count_rows, settings.questions, settings.form)
        known = [count for count in (rows, settings.limit) if count is not None]
        batch.progress.expected = min(known, default=None) if rows is not None else None
        _stop_on_signals(batch)
        display = BatchDisplay(batch.progress, loaded) if live else BatchLog(batch.progress)
        async with display:
            await batch.run()
        return batch


def _stop_on_signals(batch: Batch) -> None:
    """Ask no further question on the first Ctrl-C; cancel the batch on the next, or on SIGTERM."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    if task is None:
        return

    def interrupt() -> None:
        if batch.is_stopping:
            task.cancel()
            return
        batch.stop()
        running = batch.progress.in_flight
        message = f"finishing {running} running questions; press Ctrl-C again to stop at once"
        print(f"\na2r: {message}", file=sys.stderr)

    # Event loops without signal handlers (Windows) keep the default action.
    with suppress(NotImplementedError):
        loop.add_signal_handler(signal.SIGINT, interrupt)
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
