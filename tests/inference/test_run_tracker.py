"""The clock of a question runs while nodes work on it, and stands while its run is interrupted."""

from __future__ import annotations

import pytest

from a2r.inference import run_tracker as questions
from a2r.inference.run_tracker import MAX_IDLE_CACHES, RunRegistry
from a2r.result import Sample


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


def test_the_texts_of_a_cancelled_run_are_dropped_with_its_last_node() -> None:
    registry = RunRegistry()
    run = registry.get_or_start("run")
    registry.node_started("run")
    registry.node_started("run")
    texts = run.wave_monitor(0, lambda: ["a long text"])
    registry.node_finished("run", failed=True)
    assert run.wave_monitor(0, list) is texts
    registry.node_finished("run", failed=True)
    assert run.last_wave_monitor is None


def test_only_the_last_idle_runs_keep_their_texts() -> None:
    registry = RunRegistry()
    runs = [registry.get_or_start(str(number)) for number in range(MAX_IDLE_CACHES + 1)]
    for number, run in enumerate(runs):
        registry.node_started(str(number))
        run.wave_monitor(0, lambda: ["a long text"])
        registry.node_finished(str(number))
    assert runs[0].last_wave_monitor is None
    assert all(run.last_wave_monitor == ["a long text"] for run in runs[1:])


def test_a_sample_is_validated_once_until_it_changes() -> None:
    run = RunRegistry().get_or_start("run")
    data = Sample(index=0, status="answered", text="4").model_dump(mode="json")
    sample = run.parse(Sample, data)
    assert run.parse(Sample, dict(data)) is sample
    data["answer"] = "4"
    assert run.parse(Sample, data).answer == "4"
    assert sample.answer is None
