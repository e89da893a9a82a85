"""`a2r runs` and `a2r show`: list the runs of a store, and show the course of a run."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from a2r._internal.text import one_line, strip_control_characters
from a2r.cli.options import StoreOption
from a2r.cli.table import format_table
from a2r.errors import RunNotFoundError, StoreError

if TYPE_CHECKING:
    from a2r.persistence import Run
    from a2r.persistence.database import Saver

HEADINGS = ("thread", "run", "when", "state", "samples", "method", "answer", "question")
ID_WIDTH = 8
NAME_WIDTH = 24
ANSWER_WIDTH = 24
QUESTION_WIDTH = 48
T = TypeVar("T")


def runs(
    as_json: Annotated[bool, typer.Option("--json", help="Print the runs as JSON.")] = False,
    store: StoreOption = None,
    delete: Annotated[
        str | None, typer.Option(metavar="ID", help="Delete all runs of this thread ID.")
    ] = None,
) -> None:
    """List stored runs, newest first.

    Exit codes: 0: success, 2: the store cannot be read, or has no such thread.
    """
    from a2r.persistence import default_store, list_runs
    from a2r.persistence.database import display_name, is_store

    path = store or default_store()
    exists = is_store(path)
    if delete is not None:
        if not exists:
            raise RunNotFoundError(f"no runs in {display_name(path)}")
        asyncio.run(_in_store(path, lambda saver: _delete(saver, delete)))
        return
    stored = asyncio.run(_in_store(path, list_runs)) if exists else []
    if as_json:
        print(json.dumps([run.summary() for run in stored], ensure_ascii=False, indent=2))
    elif stored:
        print(*format_table(HEADINGS, [_row(run) for run in stored]), sep="\n")
    else:
        print(f"a2r: no runs in {strip_control_characters(display_name(path))}", file=sys.stderr)


def show(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A run ID, the start of one, or a thread ID.")
    ],
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print the result as JSON; the stored state of an unfinished run."
        ),
    ] = False,
    store: StoreOption = None,
) -> None:
    """Show the samples, decisions, syntheses and result of a stored run.

    Exit codes: 0: success, 2: the store cannot be read, or has no such run.
    """
    from a2r.cli.run_report import format_run
    from a2r.persistence import default_store, find_run
    from a2r.persistence.database import display_name, is_store

    path = store or default_store()
    if not is_store(path):
        raise RunNotFoundError(f"no run {run!r}: there are no runs in {display_name(path)}")
    stored = asyncio.run(_in_store(path, lambda saver: find_run(saver, run)))
    if as_json:
        print(json.dumps(_as_json(stored), ensure_ascii=False, indent=2))
        return
    for line in format_run(stored):
        print(strip_control_characters(line))


async def _in_store(path: str, work: Callable[[Saver], Awaitable[T]]) -> T:
    from a2r.persistence import open_store

    async with open_store(path) as saver:
        return await work(saver)


async def _delete(saver: Saver, thread: str) -> None:
    from a2r.persistence import last_run

    try:
        exists = await last_run(saver, thread) is not None
    except StoreError:
        # A run that cannot be read can still be deleted.
        exists = True
    if not exists:
        raise RunNotFoundError(f"no runs on thread {thread!r}")
    await saver.adelete_thread(thread)


def _as_json(run: Run) -> Any:
    if run.result is not None:
        return run.result.model_dump(mode="json")
    parts = ("task", "samples", "clusters", "decisions", "synthesis", "warnings")
    return {**run.summary(), **{part: run.values.get(part) for part in parts}}


def _row(run: Run) -> tuple[str, ...]:
    summary = run.summary()
    state = run.state if not run.next else f"{run.state}: {', '.join(run.next)}"
    return (
        one_line(run.thread, NAME_WIDTH),
        (run.run_id or "-")[:ID_WIDTH],
        time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.started_at)),
        one_line(state, NAME_WIDTH),
        str(summary["samples"]),
        summary["method"] or "-",
        one_line(summary["answer"] or "-", ANSWER_WIDTH),
        one_line(run.question, QUESTION_WIDTH),
    )
