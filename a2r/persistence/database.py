"""The store of runs: a SQLite file or a Postgres database."""

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

from a2r._internal.argument_types import check_type
from a2r._internal.urls import redact_url
from a2r.errors import MissingExtraError, StoreError

STORE_VARIABLE = "A2R_RUNS"
FILE_NAME = "runs.sqlite"
TABLE = "checkpoints"
URL_SCHEMES = ("postgres://", "postgresql://")
# How long a process waits for the lock of another writer; a write takes milliseconds.
LOCK_TIMEOUT_SECONDS = 30.0
# Errors of processes that create the same tables at once.
POSTGRES_SETUP_CONFLICTS = (
    "UniqueViolation",
    "DuplicateObject",
    "DuplicateTable",
    "DuplicateColumn",
    "DeadlockDetected",
)

Saver = BaseCheckpointSaver[Any]
StoreLocation = str | Path


def default_store() -> str:
    """The default store: `A2R_RUNS`, or a file in the user's data directory."""
    return os.environ.get(STORE_VARIABLE) or str(
        Path(platformdirs.user_data_dir("a2r")) / FILE_NAME
    )


def exists(where: StoreLocation) -> bool:
    """Whether the store may have runs; false for a file that does not exist."""
    return _is_url(where) or _path(where).exists()


def is_store(where: StoreLocation) -> bool:
    """Whether the location has a store; a file of another application is not changed.

    Raises:
        StoreError: the file cannot be read.
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
    """The location without a password, for messages."""
    return redact_url(str(where)) if "://" in str(where) else str(where)


def open_store(where: StoreLocation | None = None) -> AbstractAsyncContextManager[Saver]:
    """Open a store until the context ends; it is created if it does not exist.

    The saver belongs to the event loop that opens it. Several processes can use one store at the
    same time.

    Args:
        where: the path of a SQLite file, or a `postgresql://` URL; default: `default_store()`.

    Raises:
        MissingExtraError: the package that the store needs is not installed.
        StoreError: the store cannot be opened, or failed while it was open.
    """
    location = default_store() if where is None else where
    check_type(location, (str, Path), "a store is the path of a file or a URL", StoreError)
    return _postgres(str(location)) if _is_url(location) else _sqlite(_path(location))


def _path(where: StoreLocation) -> Path:
    if "://" in str(where):
        schemes = ", ".join(URL_SCHEMES)
        raise StoreError(
            f"unknown kind of store {display_name(where)}: give a file path or {schemes}…"
        )
    try:
        return Path(where).expanduser()
    except RuntimeError as error:
        raise StoreError(f"the store of runs {where} cannot be opened: {error}") from error


def _is_url(where: StoreLocation) -> bool:
    return str(where).startswith(URL_SCHEMES)


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
        connecting = aiosqlite.connect(path, timeout=LOCK_TIMEOUT_SECONDS)
        # The thread of a stream that is never closed must not keep the process alive.
        worker: Any = getattr(connecting, "_thread", connecting)
        worker.daemon = True
        async with connecting as connection:
            saver = AsyncSqliteSaver(connection)
            # SQLite does not apply the timeout to the switch to WAL, which two processes may try at
            # the same time.
            async for attempt in _retry_while(lambda error: "locked" in str(error)):
                with attempt:
                    await saver.setup()
            # Deleted content is overwritten.
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
            # Two processes may create the same table; one of them fails.
            async for attempt in _retry_while(
                lambda error: type(error).__name__ in POSTGRES_SETUP_CONFLICTS
            ):
                with attempt:
                    await saver.setup()
            yield saver
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        raise StoreError(
            f"the store of runs {display_name(url)} cannot be used: {reason}"
        ) from error


def _retry_while(is_temporary: Any) -> AsyncRetrying:
    return AsyncRetrying(
        retry=retry_if_exception(is_temporary),
        stop=stop_after_delay(LOCK_TIMEOUT_SECONDS),
        wait=wait_random(0.01, 0.1),
        reraise=True,
    )


def _make_private(path: Path) -> None:
    """Create the file, readable by its owner only; SQLite copies the mode to its side files."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
