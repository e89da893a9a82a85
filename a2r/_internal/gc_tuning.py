"""How often Python looks for cyclic garbage, which is what a sample would cost most."""

from __future__ import annotations

import gc

CPYTHON_DEFAULT_THRESHOLD = (700, 10, 10)
LIBRARY_THRESHOLD = 50_000
SERVER_THRESHOLD = 500_000


def relax_gc() -> None:
    """Let fifty thousand new objects come together before they are looked through, not 700.

    LangGraph and LangChain hold some 250 objects for each sample in flight, none of them in
    cycles. Looked through as often as Python does by itself, they cost a third of a sample's CPU
    time, and a pause of the event loop of over 100 ms every few hundred samples (measured with
    512 samples in flight). A setting that the application has made stays as it is.
    """
    if gc.get_threshold() == CPYTHON_DEFAULT_THRESHOLD:
        gc.set_threshold(LIBRARY_THRESHOLD, *CPYTHON_DEFAULT_THRESHOLD[1:])


def freeze_gc() -> None:
    """Look for garbage once half a million new objects are there; for a process that serves.

    What is loaded by now, some 200,000 objects, is never looked through again. A question leaves
    no cycles behind, but holds hundreds of objects for each sample while it runs: looking through
    those took an eighth of the CPU time of 200 streams at once, in pauses of up to 180 ms.
    """
    gc.collect()
    gc.freeze()
    if gc.get_threshold()[0]:
        gc.set_threshold(SERVER_THRESHOLD, *gc.get_threshold()[1:])
