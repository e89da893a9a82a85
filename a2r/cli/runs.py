"""`a2r runs` and `a2r show`: the runs in a store, and what happened in one of them."""

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
from a2r.errors import RunNotFoundError, StoreError

if TYPE_CHECKING:
    from a2r.persistence import Run
    from a2r.persistence.store import Saver

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
        str | None, typer.Option(metavar="THREAD", help="Delete all runs of a thread.")
    ] = None,
) -> None:
    """List the runs that are kept, the newest first.

    Exit codes: 0, or 2 where the store cannot be used, or holds no such thread.
    """
    from a2r.persistence import default_store, display_name, is_store, list_runs

    where = store or default_store()
    there = is_store(where)
    if delete is not None:
        if not there:
            raise RunNotFoundError(f"no runs in {display_name(where)}")
        asyncio.run(_in_store(where, lambda saver: _delete(saver, delete)))
        return
    found = asyncio.run(_in_store(where, list_runs)) if there else []
    if as_json:
        print(json.dumps([run.summary() for run in found], ensure_ascii=False, indent=2))
    elif found:
        _print_table([_row(run) for run in found])
    else:
        print(f"a2r: no runs in {strip_control_characters(display_name(where))}", file=sys.stderr)


def show(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A run's id, its beginning, or a thread.")
    ],
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print the result as JSON, or what there is of an unfinished."),
    ] = False,
    store: StoreOption = None,
) -> None:
    """Show what happened in a run that is kept.

    Exit codes: 0, or 2 where the store cannot be used, or holds no such run.
    """
    from a2r.cli.run_report import format_run
    from a2r.persistence import default_store, display_name, find_run, is_store

    where = store or default_store()
    if not is_store(where):
        raise RunNotFoundError(f"no run {run!r}: there are no runs in {display_name(where)}")
    found = asyncio.run(_in_store(where, lambda saver: find_run(saver, run)))
    if as_json:
        print(json.dumps(_as_json(found), ensure_ascii=False, indent=2))
        return
    for line in format_run(found):
        print(strip_control_characters(line))


async def _in_store(where: str, work: Callable[[Saver], Awaitable[T]]) -> T:
    from a2r.persistence import open_store

    async with open_store(where) as saver:
        return await work(saver)


async def _delete(saver: Saver, thread: str) -> None:
    from a2r.persistence import last_run

    try:
        known = await last_run(saver, thread) is not None
    except StoreError:
        # What cannot be read can be deleted all the same.
        known = True
    if not known:
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


def _print_table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(HEADINGS, *rows, strict=True)]
    for row in (HEADINGS, *rows):
        padded = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        print("  ".join(padded).rstrip())
