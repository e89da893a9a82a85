"""The clock of a question runs while nodes work on it, and stands while its run is interrupted."""

from __future__ import annotations

import pytest

from a2r.inference import run_tracker as questions
from a2r.inference.run_tracker import RunRegistry


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(questions.time, "monotonic", lambda: now[0])
    return now


def test_time_in_which_no_node_works_does_not_count(clock: list[float]) -> None:
    known = RunRegistry()
    begun = known.get_or_start("run")
    known.node_started("run")
    clock[0] += 5
    known.node_finished("run")
    clock[0] += 1000
    known.node_started("run")
    clock[0] += 2
    assert clock[0] - begun.started_at == 7


def test_nodes_that_overlap_leave_no_gap(clock: list[float]) -> None:
    known = RunRegistry()
    begun = known.get_or_start("run")
    known.node_started("run")
    known.node_started("run")
    clock[0] += 5
    known.node_finished("run")
    clock[0] += 5
    known.node_started("run")
    clock[0] += 5
    assert clock[0] - begun.started_at == 15


def test_what_is_unknown_has_no_clock(clock: list[float]) -> None:
    known = RunRegistry()
    known.node_started(None)
    known.node_finished("never taken up")
    assert known.get_or_start("never taken up").started_at == 100.0


def test_what_a_wave_has_seen_does_not_outlive_the_last_node_on_it() -> None:
    known = RunRegistry()
    question = known.get_or_start("run")
    known.node_started("run")
    known.node_started("run")
    texts = question.wave_monitor(0, lambda: ["a long text"])
    known.node_finished("run")
    assert question.wave_monitor(0, list) is texts
    known.node_finished("run")
    assert question.wave_monitor(0, list) == []
