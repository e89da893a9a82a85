"""Finding the runs in a store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple

from a2r._internal.argument_types import check_type
from a2r._internal.suggestions import suggestion
from a2r.errors import RunNotFoundError, StoreError
from a2r.persistence.database import Saver
from a2r.persistence.run_record import Run, parse_run
from a2r.persistence.snapshots import SnapshotReader


async def list_runs(saver: Saver) -> list[Run]:
    """All runs in a store, the newest first; threads of other applications are left out.

    Raises:
        StoreError: the store cannot be read.
    """
    _check_saver(saver)
    ends: list[tuple[RunnableConfig, bool]] = []
    # Every run begins with an input checkpoint; its parent is the end of the run before it.
    later_starts: dict[str, RunnableConfig | None] = {}
    for start in await _input_checkpoints(saver):
        location = start.config["configurable"]
        if location.get("checkpoint_ns"):
            continue
        thread = location["thread_id"]
        if thread not in later_starts:
            ends.append((_thread_config(thread), True))
        elif (end := later_starts[thread]) is not None:
            ends.append((end, False))
        later_starts[thread] = start.parent_config
    reader = SnapshotReader(saver)
    runs = [await _read(reader, end, is_last=is_last) for end, is_last in ends]
    return sorted((run for run in runs if run), key=lambda run: run.started_at, reverse=True)


async def last_run(saver: Saver, thread: str) -> Run | None:
    """The last run of a thread, or `None` if the thread has no run of A2R.

    Raises:
        StoreError: the store cannot be read.
    """
    _check_saver(saver)
    check_type(thread, str, "a thread is a text", StoreError)
    return await _read(SnapshotReader(saver), _thread_config(thread), is_last=True)


async def find_run(saver: Saver, name: str) -> Run:
    """The last run of a thread, or the run whose ID is `name` or begins with it.

    Raises:
        RunNotFoundError: there is no such run, or more than one.
        StoreError: the store cannot be read.
    """
    on_thread = await last_run(saver, name)
    if on_thread is not None:
        return on_thread
    runs = await list_runs(saver)
    matches = [run for run in runs if name and run.run_id and run.run_id.startswith(name)]
    if len(matches) > 1:
        raise RunNotFoundError(f"{len(matches)} run IDs begin with {name!r}: give more of the ID")
    if not matches:
        raise RunNotFoundError(f"no run or thread {name!r}{suggestion(name, _names(runs))}")
    return matches[0]


def _check_saver(saver: object) -> None:
    check_type(saver, BaseCheckpointSaver, "saver is an open store (open_store)", StoreError)


def _names(runs: Iterable[Run]) -> list[str]:
    return [name for run in runs for name in (run.thread, run.run_id) if name]


def _thread_config(thread: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": ""}}


async def _input_checkpoints(saver: Saver) -> list[CheckpointTuple]:
    with _store_errors("the store"):
        return [start async for start in saver.alist(None, filter={"source": "input"})]


async def _read(reader: SnapshotReader, config: RunnableConfig, *, is_last: bool) -> Run | None:
    with _store_errors(f"thread {config['configurable']['thread_id']!r}"):
        snapshot = await reader.read(config)
        return None if snapshot is None else parse_run(snapshot, is_last=is_last)


@contextmanager
def _store_errors(source: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StoreError(
            f"{source}: cannot read the runs: they are damaged, or another version of a2r stored "
            f"them ({type(error).__name__})"
        ) from error
