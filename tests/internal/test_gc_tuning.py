from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from a2r._internal.gc_tuning import (
    LIBRARY_THRESHOLD,
    SERVER_THRESHOLD,
    freeze_gc,
    relax_gc,
)


@pytest.fixture(autouse=True)
def _thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_pythons_default_setting_is_changed_once() -> None:
    gc.set_threshold(700, 10, 10)
    relax_gc()
    relax_gc()
    assert gc.get_threshold() == (LIBRARY_THRESHOLD, 10, 10)


@pytest.mark.parametrize("threshold", [(0, 0, 0), (500, 5, 5), (50_000, 20, 20)])
def test_a_setting_of_the_application_is_unchanged(threshold: tuple[int, int, int]) -> None:
    gc.set_threshold(*threshold)
    relax_gc()
    assert gc.get_threshold() == threshold


def test_a_server_freezes_loaded_objects_and_collects_rarely() -> None:
    gc.set_threshold(700, 10, 10)
    try:
        freeze_gc()
        assert gc.get_freeze_count() > len(gc.get_objects())
        assert gc.get_threshold() == (SERVER_THRESHOLD, 10, 10)
    finally:
        gc.unfreeze()


def test_a_disabled_collector_stays_disabled() -> None:
    gc.set_threshold(0, 10, 10)
    try:
        freeze_gc()
        assert gc.get_threshold()[0] == 0
    finally:
        gc.unfreeze()
