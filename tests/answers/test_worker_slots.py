"""Slots of worker processes go to the comparison that has used the least time."""

from __future__ import annotations

import threading

from a2r.answers.sandbox.worker_slots import WorkerSlots


def start(slots: WorkerSlots, order: list[str], name: str, used: float) -> threading.Thread:
    """Start a thread that waits for a slot, and wait until it does."""
    waiting = len(slots._waiters) + 1

    def run() -> None:
        assert slots.acquire(used=used, timeout=10)
        order.append(name)
        slots.release()

    thread = threading.Thread(target=run)
    thread.start()
    with slots._condition:
        assert slots._condition.wait_for(lambda: len(slots._waiters) == waiting, timeout=10)
    return thread


def test_the_least_used_comparison_comes_first() -> None:
    slots, order = WorkerSlots(1), list[str]()
    assert slots.acquire(used=0.0, timeout=0.0)
    threads = [
        start(slots, order, "hard", 1.5),
        start(slots, order, "harder", 3.0),
        start(slots, order, "easy", 0.0),
        start(slots, order, "easy too", 0.0),
    ]
    slots.release()
    for thread in threads:
        thread.join(10)
    assert order == ["easy", "easy too", "hard", "harder"]


def test_a_wait_ends_at_its_timeout_and_leaves_the_slot_to_others() -> None:
    slots = WorkerSlots(1)
    assert slots.acquire(used=0.0, timeout=0.0)
    assert not slots.acquire(used=0.0, timeout=0.0)
    slots.release()
    assert slots.acquire(used=5.0, timeout=0.0)
