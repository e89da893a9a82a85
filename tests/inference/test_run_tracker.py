"""The clock of a run advances while its nodes run, and stops while the run is interrupted."""

from __future__ import annotations

import pytest

from a2r.inference import run_tracker
from a2r.inference.run_tracker import RunRegistry


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(run_tracker.time, "monotonic", lambda: now[0])
    return now


def test_time_without_a_running_node_does_not_count(clock: list[float]) -> None:
    registry = RunRegistry()
    run = registry.get_or_start("run")
    registry.node_started("run")
    clock[0] += 5
    registry.node_finished("run")
    clock[0] += 1000
    registry.node_started("run")
    clock[0] += 2
    assert clock[0] - run.started_at == 7


def test_overlapping_nodes_leave_no_gap(clock: list[float]) -> None:
    registry = RunRegistry()
    run = registry.get_or_start("run")
    registry.node_started("run")
    registry.node_started("run")
    clock[0] += 5
    registry.node_finished("run")
    clock[0] += 5
    registry.node_started("run")
    clock[0] += 5
    assert clock[0] - run.started_at == 15


def test_an_unknown_run_has_no_clock(clock: list[float]) -> None:
    registry = RunRegistry()
    registry.node_started(None)
    registry.node_finished("unknown")
    assert registry.get_or_start("unknown").started_at == 100.0


def test_a_wave_monitor_is_dropped_with_the_last_node() -> None:
    registry = RunRegistry()
    run = registry.get_or_start("run")
    registry.node_started("run")
    registry.node_started("run")
    texts = run.wave_monitor(0, lambda: ["a long text"])
    registry.node_finished("run")
    assert run.wave_monitor(0, list) is texts
    registry.node_finished("run")
    assert run.wave_monitor(0, list) == []
