"""Finding runs in a store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple

from a2r._internal.suggestions import suggestion
from a2r.errors import RunNotFoundError, StoreError
from a2r.persistence.run_record import Run, parse_run
from a2r.persistence.store import Saver


async def list_runs(saver: Saver) -> list[Run]:
    """All runs, the newest first; threads of other graphs in the same store are left out.

    Raises:
        StoreError: what is stored cannot be read.
    """
    ends: list[tuple[RunnableConfig, bool]] = []
    # Every question on a thread begins with an input; what is before it ended the one before.
    following: dict[str, RunnableConfig | None] = {}
    for begun in await _first_checkpoints(saver):
        place = begun.config["configurable"]
        if place.get("checkpoint_ns"):
            continue
        thread = place["thread_id"]
        if thread not in following:
            ends.append((_thread_config(thread), True))
        elif (end := following[thread]) is not None:
            ends.append((end, False))
        following[thread] = begun.parent_config
    found = [await _read(saver, end, is_last=is_last) for end, is_last in ends]
    return sorted((run for run in found if run), key=lambda run: run.started_at, reverse=True)


async def last_run(saver: Saver, thread: str) -> Run | None:
    """The last run of a thread, or `None` if there is none of ours.

    Raises:
        StoreError: what is stored cannot be read.
    """
    return await _read(saver, _thread_config(thread), is_last=True)


async def find_run(saver: Saver, name: str) -> Run:
    """The run of an id, of the beginning of one, or the last run of a thread.

    Raises:
        RunNotFoundError: there is none, or more than one.
        StoreError: what is stored cannot be read.
    """
    on_thread = await last_run(saver, name)
    if on_thread is not None:
        return on_thread
    runs = await list_runs(saver)
    found = [run for run in runs if name and run.run_id and run.run_id.startswith(name)]
    if len(found) > 1:
        raise RunNotFoundError(f"{len(found)} runs begin with {name!r}: give more of the id")
    if not found:
        raise RunNotFoundError(f"no run or thread {name!r}{suggestion(name, _names(runs))}")
    return found[0]


def _names(runs: Iterable[Run]) -> list[str]:
    return [name for run in runs for name in (run.thread, run.run_id) if name]


def _thread_config(thread: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": ""}}


async def _first_checkpoints(saver: Saver) -> list[CheckpointTuple]:
    with _store_errors("the store"):
        return [begun async for begun in saver.alist(None, filter={"source": "input"})]


async def _read(saver: Saver, config: RunnableConfig, *, is_last: bool) -> Run | None:
    with _store_errors(f"thread {config['configurable']['thread_id']!r}"):
        saved = await saver.aget_tuple(config)
        return None if saved is None else parse_run(saved, is_last=is_last)


@contextmanager
def _store_errors(what: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StoreError(
            f"{what}: the runs cannot be read; they are damaged, or of another version of a2r "
            f"({type(error).__name__})"
        ) from error
