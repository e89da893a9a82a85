"""The table of leases in a store."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from langgraph.checkpoint.base import BaseCheckpointSaver

from a2r.persistence.lease_holder import LeaseHolder

CREATE = """
CREATE TABLE IF NOT EXISTS a2r_leases (
    thread_id TEXT PRIMARY KEY, owner TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL,
    start TEXT NOT NULL, expires_at DOUBLE PRECISION NOT NULL
)
"""
SELECT = "SELECT owner, host, pid, start FROM a2r_leases WHERE thread_id = ?"
# In one statement, so that of several processes only one gets a lease.
ACQUIRE = """
INSERT INTO a2r_leases (thread_id, owner, host, pid, start, expires_at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (thread_id) DO UPDATE SET
    owner = excluded.owner, host = excluded.host, pid = excluded.pid, start = excluded.start,
    expires_at = excluded.expires_at
WHERE a2r_leases.expires_at < ? OR a2r_leases.owner = ?
"""
RENEW = "UPDATE a2r_leases SET expires_at = ? WHERE thread_id = ? AND owner = ?"
RELEASE = "DELETE FROM a2r_leases WHERE thread_id = ? AND owner = ?"


class LeaseTable(Protocol):
    """The leases of the threads of a store; at most one holder has the lease of a thread."""

    async def acquire(self, thread: str, holder: LeaseHolder, seconds: float) -> LeaseHolder | None:
        """Take the lease of a thread for some seconds; return the holder who has it instead."""

    async def renew(self, thread: str, holder: LeaseHolder, seconds: float) -> None:
        """Extend the lease, if the holder still has it."""

    async def release(self, thread: str, holder: LeaseHolder) -> None:
        """Give the lease back."""


def lease_table(saver: BaseCheckpointSaver[Any]) -> LeaseTable:
    """The table of the leases of a saver's store."""
    names = {kind.__name__ for kind in type(saver).__mro__}
    if "AsyncSqliteSaver" in names:
        return SqlLeases(saver=saver, is_postgres=False)
    if "AsyncPostgresSaver" in names:
        return SqlLeases(saver=saver, is_postgres=True)
    return _process_leases().of(saver)


@dataclass(frozen=True, kw_only=True)
class SqlLeases:
    """Leases in a table of the SQLite or Postgres database of a saver, over its connection."""

    saver: Any
    is_postgres: bool

    async def acquire(self, thread: str, holder: LeaseHolder, seconds: float) -> LeaseHolder | None:
        """Take the lease of a thread, from a process that has ended, too."""
        await self._execute(CREATE)
        # The holder may release its lease between the two statements.
        while (other := await self._holder(thread)) is None or other.has_ended():
            stale = "" if other is None else other.owner
            if await self._take(thread, holder, seconds, stale):
                return None
        return None if await self._take(thread, holder, seconds, "") else other

    async def renew(self, thread: str, holder: LeaseHolder, seconds: float) -> None:
        """Extend the lease, if the holder still has it."""
        await self._execute(RENEW, (time.time() + seconds, thread, holder.owner))

    async def release(self, thread: str, holder: LeaseHolder) -> None:
        """Delete the row of the lease."""
        await self._execute(RELEASE, (thread, holder.owner))

    async def _take(self, thread: str, holder: LeaseHolder, seconds: float, stale: str) -> bool:
        """Take the lease if it is free, has expired, or its owner is `stale`."""
        now = time.time()
        values = (thread, holder.owner, holder.host, holder.pid, holder.start, now + seconds)
        return await self._execute(ACQUIRE, (*values, now, stale)) == 1

    async def _holder(self, thread: str) -> LeaseHolder | None:
        async with self._cursor() as cursor:
            await cursor.execute(self._sql(SELECT), (thread,))
            row = await cursor.fetchone()
        if row is None:
            return None
        values = [*row.values()] if isinstance(row, Mapping) else [*row]
        owner, host, pid, start = values
        return LeaseHolder(owner=owner, host=host, pid=pid, start=start)

    async def _execute(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Execute and commit a statement; return the number of changed rows."""
        async with self._cursor() as cursor:
            await cursor.execute(self._sql(statement), values)
            return int(cursor.rowcount)

    def _sql(self, statement: str) -> str:
        return statement.replace("?", "%s") if self.is_postgres else statement

    @asynccontextmanager
    async def _cursor(self) -> AsyncIterator[Any]:
        if self.is_postgres:
            async with self.saver._cursor() as cursor:
                yield cursor
            return
        async with self.saver.lock, self.saver.conn.cursor() as cursor:
            yield cursor
            await self.saver.conn.commit()


@dataclass(frozen=True)
class MemoryLeases:
    """Leases in the memory of this process."""

    _holders: dict[str, LeaseHolder] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    async def acquire(self, thread: str, holder: LeaseHolder, seconds: float) -> LeaseHolder | None:
        """Take the lease of a thread; it ends when it is released."""
        with self._lock:
            other = self._holders.setdefault(thread, holder)
        return None if other is holder else other

    async def renew(self, thread: str, holder: LeaseHolder, seconds: float) -> None:
        """Leases in memory do not expire."""

    async def release(self, thread: str, holder: LeaseHolder) -> None:
        """Forget the holder."""
        with self._lock:
            if self._holders.get(thread) is holder:
                del self._holders[thread]


@dataclass(frozen=True)
class ProcessLeases:
    """The leases of the checkpointers of this process that have no database."""

    _tables: WeakKeyDictionary[BaseCheckpointSaver[Any], MemoryLeases] = field(
        default_factory=WeakKeyDictionary
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, saver: BaseCheckpointSaver[Any]) -> MemoryLeases:
        """The leases of a checkpointer."""
        with self._lock:
            return self._tables.setdefault(saver, MemoryLeases())


@cache
def _process_leases() -> ProcessLeases:
    return ProcessLeases()
