"""How often Python looks for cyclic garbage, which is what a sample would cost most."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

PYTHONS_OWN = (700, 10, 10)
ALLOCATIONS = 10_000
MOST_ALLOCATIONS = 1_000_000
TURN_SECONDS = 30.0


def collect_less_often() -> None:
    """Let ten thousand new objects come together before they are looked through, not 700.

    LangGraph and LangChain hold some 250 objects for each sample in flight, none of them in
    cycles. Looked through as often as Python does by itself, they cost a third of a sample's CPU
    time, and a pause of the event loop of over 100 ms every few hundred samples (measured with
    512 samples in flight). A setting that the application has made stays as it is.
    """
    if gc.get_threshold() == PYTHONS_OWN:
        gc.set_threshold(ALLOCATIONS, *PYTHONS_OWN[1:])


@asynccontextmanager
async def collected_in_turn(seconds: float = TURN_SECONDS) -> AsyncIterator[None]:
    """Look for cyclic garbage every `seconds`, instead of as objects come; for a server.

    A question of eight samples leaves some 30 objects of it, but holds thousands while it runs:
    looking through those as they come took an eighth of the CPU time of 200 streams at once, in
    pauses of the event loop of up to 180 ms. What is loaded by now, some 200,000 objects, is
    never looked through again. More than a million new objects are looked through at once.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    if gc.isenabled() and before[0]:
        gc.set_threshold(MOST_ALLOCATIONS, *before[1:])
    turns = asyncio.create_task(_collect_every(seconds))
    try:
        yield
    finally:
        turns.cancel()
        gc.set_threshold(*before)
        gc.unfreeze()


async def _collect_every(seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        gc.collect()
