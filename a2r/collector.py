"""How often Python looks for cyclic garbage, which is what a sample would cost most."""

from __future__ import annotations

import gc

PYTHONS_OWN = (700, 10, 10)
ALLOCATIONS = 10_000


def collect_less_often() -> None:
    """Let ten thousand new objects come together before they are looked through, not 700.

    LangGraph and LangChain hold some 250 objects for each sample in flight, none of them in
    cycles. Looked through as often as Python does by itself, they cost a third of a sample's CPU
    time, and a pause of the event loop of over 100 ms every few hundred samples (measured with
    512 samples in flight). A setting that the application has made stays as it is.
    """
    if gc.get_threshold() == PYTHONS_OWN:
        gc.set_threshold(ALLOCATIONS, *PYTHONS_OWN[1:])
