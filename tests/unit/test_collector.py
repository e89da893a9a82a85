from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from a2r.collector import ALLOCATIONS, collect_less_often


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
