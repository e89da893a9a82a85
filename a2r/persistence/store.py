"""The store that runs are kept in: a SQLite file, or a Postgres database."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import platformdirs
from langgraph.checkpoint.base import BaseCheckpointSaver
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_random

from a2r._internal.urls import redact_url
from a2r.errors import MissingExtraError, StoreError

STORE_VARIABLE = "A2R_RUNS"
FILE = "runs.sqlite"
TABLE = "checkpoints"
URLS = ("postgres://", "postgresql://")
# How long a process waits for its turn to write; a write takes milliseconds.
BUSY_SECONDS = 30.0
POSTGRES_RACES = (
    "UniqueViolation",
    "DuplicateObject",
    "DuplicateTable",
    "DuplicateColumn",
    "DeadlockDetected",
)

Saver = BaseCheckpointSaver[Any]
StoreLocation = str | Path


def default_store() -> str:
    """Where runs are kept if nothing else is said: `A2R_RUNS`, or a file of the user's."""
    return os.environ.get(STORE_VARIABLE) or str(Path(platformdirs.user_data_dir("a2r")) / FILE)


def exists(where: StoreLocation) -> bool:
    """Whether there may be runs at a place; false for a file that does not exist."""
    return _is_url(where) or _path(where).exists()


def is_store(where: StoreLocation) -> bool:
    """Whether a place is a store already; a file of somebody else's is not, and stays untouched.

    Raises:
        StoreError: it cannot be read.
    """
    if _is_url(where):
        return True
    path = _path(where)
    if not path.exists():
        return False
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as reader:
            query = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?"
            return bool(reader.execute(query, (TABLE,)).fetchone()[0])
    except sqlite3.Error as error:
        raise StoreError(f"the store of runs {path} cannot be used: {error}") from error


def display_name(where: StoreLocation) -> str:
    """A place as it may be told: without a password."""
    return redact_url(str(where)) if "://" in str(where) else str(where)


def open_store(where: StoreLocation | None = None) -> AbstractAsyncContextManager[Saver]:
    """Open a store, made if it is not there yet, until the context ends.

    It belongs to the event loop in which it was opened. Several processes may use one store at
    once.

    Args:
        where: the path of a SQLite file, or a `postgresql://` URL; `default_place()` without it.

    Raises:
        MissingExtraError: the package that the store needs is not installed.
        StoreError: the store cannot be opened, or failed while it was open.
    """
    place = default_store() if where is None else where
    return _postgres(str(place)) if _is_url(place) else _sqlite(_path(place))


def _path(where: StoreLocation) -> Path:
    if "://" in str(where):
        kinds = ", ".join(URLS)
        raise StoreError(f"no store of runs {display_name(where)}: a file's path, or {kinds}…")
    try:
        return Path(where).expanduser()
    except RuntimeError as error:
        raise StoreError(f"the store of runs {where} cannot be opened: {error}") from error


def _is_url(where: StoreLocation) -> bool:
    return str(where).startswith(URLS)


@asynccontextmanager
async def _sqlite(path: Path) -> AsyncIterator[Saver]:
    try:
        import aiosqlite
        from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
    except ImportError as error:
        raise MissingExtraError("langgraph-checkpoint-sqlite", "runs") from error
    try:
        _make_private(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StoreError(f"the store of runs {path} cannot be opened: {reason}") from error
    try:
        connecting = aiosqlite.connect(path, timeout=BUSY_SECONDS)
        # A stream that its reader left is never closed, and would keep the process from ending.
        worker: Any = getattr(connecting, "_thread", connecting)
        worker.daemon = True
        async with connecting as connection:
            saver = AsyncSqliteSaver(connection)
            # The busy timeout does not hold for the change to WAL, which two may try at once.
            async for attempt in _retry_while(lambda error: "locked" in str(error)):
                with attempt:
                    await saver.setup()
            # What is deleted is overwritten, not just given free.
            await connection.execute("PRAGMA secure_delete=ON")
            yield saver
    except sqlite3.Error as error:
        raise StoreError(f"the store of runs {path} cannot be used: {error}") from error


@asynccontextmanager
async def _postgres(url: str) -> AsyncIterator[Saver]:
    try:
        import psycopg
        from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
    except ImportError as error:
        raise MissingExtraError("langgraph-checkpoint-postgres", "postgres") from error
    try:
        async with AsyncPostgresSaver.from_conn_string(url) as saver:
            # Postgres lets two create the same table at once, and tells one of them off.
            async for attempt in _retry_while(lambda error: type(error).__name__ in POSTGRES_RACES):
                with attempt:
                    await saver.setup()
            yield saver
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        raise StoreError(
            f"the store of runs {display_name(url)} cannot be used: {reason}"
        ) from error


def _retry_while(passing: Any) -> AsyncRetrying:
    return AsyncRetrying(
        retry=retry_if_exception(passing),
        stop=stop_after_delay(BUSY_SECONDS),
        wait=wait_random(0.01, 0.1),
        reraise=True,
    )


def _make_private(path: Path) -> None:
    """Make the file, readable by its owner alone; SQLite's side files take that over."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
