"""Wait for endpoints that cannot be reached, instead of failing one question after the other."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from a2r._internal.logging import get_logger
from a2r.batch.progress import BatchProgress
from a2r.errors import UnreachableError
from a2r.solver import A2R

FIRST_DELAY, MAX_DELAY = 1.0, 30.0


@dataclass
class EndpointWait:
    """One wait for all questions of a batch; `limit` is its longest time, in seconds."""

    solver: A2R
    limit: float
    progress: BatchProgress
    _waiting: asyncio.Task[bool] | None = None

    async def until_reachable(self) -> bool:
        """Wait until an endpoint of each role responds; `False` after the limit."""
        if self._waiting is None or self._waiting.done():
            self._waiting = asyncio.create_task(self._wait())
        return await asyncio.shield(self._waiting)

    async def _wait(self) -> bool:
        end, delay = time.monotonic() + self.limit, FIRST_DELAY
        while True:
            error = await self._error()
            if error is None:
                self.progress.waiting = None
                get_logger().info("endpoints respond again")
                return True
            if time.monotonic() + delay > end:
                return False
            if self.progress.waiting is None:
                get_logger().warning("waiting for endpoints", error=error)
            self.progress.wait_for(error)
            await asyncio.sleep(delay)
            delay = min(MAX_DELAY, 2 * delay)

    async def _error(self) -> str | None:
        """Why a role cannot be reached, if it cannot."""
        models, config = self.solver.workflow.models, self.solver.config.config
        try:
            await models.probe("explorer")
            if config.synthesizer is not None:
                await models.probe("synthesizer")
        except UnreachableError as error:
            return str(error)
        return None
