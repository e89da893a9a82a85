"""The lease of a thread: while a run holds it, no other run of the thread can start.

The leases of a SQLite or Postgres store are in the store, so that they hold across processes; those
of other checkpointers hold in this process. A lease is renewed while its run is in progress. It
ends with the run, with its process on the same machine, or when it has not been renewed.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver

from a2r._internal.logging import get_logger
from a2r._internal.task_isolation import cancel_and_wait
from a2r.errors import ThreadBusyError
from a2r.persistence.lease_holder import LeaseHolder
from a2r.persistence.lease_table import lease_table

LEASE_SECONDS = 60.0
RENEWAL_SECONDS = 10.0


@asynccontextmanager
async def thread_lease(saver: BaseCheckpointSaver[Any] | None, thread: str) -> AsyncIterator[None]:
    """Hold the lease of a thread; without a saver, runs are not stored and need none.

    Raises:
        ThreadBusyError: another run of the thread is in progress.
    """
    if saver is None:
        yield
        return
    table, holder = lease_table(saver), LeaseHolder.current(uuid.uuid4().hex)
    other = await table.acquire(thread, holder, LEASE_SECONDS)
    if other is not None:
        raise ThreadBusyError(
            f"thread {thread!r} is running ({other.description}): wait until that run has ended, "
            "or use another thread"
        )

    async def renew() -> None:
        while True:
            await asyncio.sleep(RENEWAL_SECONDS)
            try:
                await table.renew(thread, holder, LEASE_SECONDS)
            except Exception as error:  # noqa: BLE001 - the errors of every database driver
                get_logger().warning("lease not renewed", thread=thread, error=str(error))

    renewal = asyncio.create_task(renew())
    try:
        yield
    finally:
        await cancel_and_wait([renewal])
        await table.release(thread, holder)
