from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from a2r.collector import (
    ALLOCATIONS,
    MOST_ALLOCATIONS,
    collect_less_often,
    collected_in_turn,
)


@pytest.fixture(autouse=True)
def _thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_pythons_own_setting_is_relaxed_once() -> None:
    gc.set_threshold(700, 10, 10)
    collect_less_often()
    collect_less_often()
    assert gc.get_threshold() == (ALLOCATIONS, 10, 10)


@pytest.mark.parametrize("own", [(0, 0, 0), (500, 5, 5), (50_000, 20, 20)])
def test_what_the_application_has_set_stays(own: tuple[int, int, int]) -> None:
    gc.set_threshold(*own)
    collect_less_often()
    assert gc.get_threshold() == own


class Knot:
    """Refers to itself, so that only the collector can end it."""

    def __init__(self) -> None:
        self.itself = self


async def test_a_server_collects_in_turn_and_keeps_what_is_loaded() -> None:
    before = gc.get_threshold()
    knot = Knot()
    gone = asyncio.Event()
    weakref.finalize(knot, gone.set)
    async with collected_in_turn(seconds=0.001):
        assert gc.get_freeze_count() > len(gc.get_objects())
        assert gc.get_threshold()[0] == MOST_ALLOCATIONS
        young = Knot()
        collected = asyncio.Event()
        weakref.finalize(young, collected.set)
        del young, knot
        await collected.wait()
        assert not gone.is_set()
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
    gc.collect()
    assert gone.is_set()


async def test_a_collector_that_was_switched_off_stays_so() -> None:
    gc.set_threshold(0)
    async with collected_in_turn():
        assert gc.get_threshold()[0] == 0
