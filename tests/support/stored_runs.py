"""Wait for committed samples of a run."""

from __future__ import annotations

import asyncio
from typing import Any

from a2r.persistence import Run, last_run

SECONDS = 60.0


async def until_committed(saver: Any, thread: str, samples: int) -> Run:
    """Return the last run of a thread when it has committed `samples` samples."""
    async with asyncio.timeout(SECONDS):
        while True:
            run = await last_run(saver, thread)
            if run is not None and len(run.samples) >= samples:
                return run
            await asyncio.sleep(0.005)
