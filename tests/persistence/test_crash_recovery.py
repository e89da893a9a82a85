"""Runs of every graph, killed with -9 at random moments and resumed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.crash_recovery import GRAPHS, crash_runs

pytestmark = pytest.mark.integration


@pytest.mark.timeout(280)
def test_fifteen_kills_repeat_no_call_and_change_no_result(tmp_path: Path) -> None:
    done = crash_runs(15, tmp_path)
    assert done.complaints == []
    assert len(done.crashes) == 15
    assert {kill.graph for kill in done.crashes} == set(GRAPHS)
    # Some kills happened after committed calls, and some during a call.
    assert any(kill.committed for kill in done.crashes)
    assert done.extra <= done.in_flight, done.summary()
