"""Thresholds of Python's garbage collector, whose runs would dominate the CPU time of a sample."""

from __future__ import annotations

import gc

CPYTHON_DEFAULT_THRESHOLD = (700, 10, 10)
LIBRARY_THRESHOLD = 50_000
SERVER_THRESHOLD = 500_000


def relax_gc() -> None:
    """Collect garbage after 50,000 new objects instead of 700.

    LangGraph and LangChain hold about 250 objects per running sample, none of them in cycles.
    With Python's default threshold, collection takes a third of the CPU time of a sample, and
    pauses the event loop for over 100 ms every few hundred samples (measured with 512 running
    samples). A threshold that the application has set is not changed.
    """
    if gc.get_threshold() == CPYTHON_DEFAULT_THRESHOLD:
        gc.set_threshold(LIBRARY_THRESHOLD, *CPYTHON_DEFAULT_THRESHOLD[1:])


def freeze_gc() -> None:
    """Exclude the present objects from garbage collection; collect after 500,000 new objects.

    For server processes: about 200,000 objects are loaded at startup. A question leaves no cycles,
    but has hundreds of objects per running sample; their collection took an eighth of the CPU
    time of 200 concurrent streams, in pauses of up to 180 ms.
    """
    gc.collect()
    gc.freeze()
    if gc.get_threshold()[0]:
        gc.set_threshold(SERVER_THRESHOLD, *gc.get_threshold()[1:])
