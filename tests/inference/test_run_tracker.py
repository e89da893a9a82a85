"""The clock of a question runs while nodes work on it, and stands while its run is interrupted."""

from __future__ import annotations

import pytest

from a2r.inference import run_tracker as questions
from a2r.inference.run_tracker import Questions


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(questions.time, "monotonic", lambda: now[0])
    return now


def test_time_in_which_no_node_works_does_not_count(clock: list[float]) -> None:
    known = Questions()
    begun = known.take_up("run")
    known.enter("run")
    clock[0] += 5
    known.leave("run")
    clock[0] += 1000
    known.enter("run")
    clock[0] += 2
    assert clock[0] - begun.begun == 7


def test_nodes_that_overlap_leave_no_gap(clock: list[float]) -> None:
    known = Questions()
    begun = known.take_up("run")
    known.enter("run")
    known.enter("run")
    clock[0] += 5
    known.leave("run")
    clock[0] += 5
    known.enter("run")
    clock[0] += 5
    assert clock[0] - begun.begun == 15


def test_what_is_unknown_has_no_clock(clock: list[float]) -> None:
    known = Questions()
    known.enter(None)
    known.leave("never taken up")
    assert known.take_up("never taken up").begun == 100.0


def test_what_a_wave_has_seen_does_not_outlive_the_last_node_on_it() -> None:
    known = Questions()
    question = known.take_up("run")
    known.enter("run")
    known.enter("run")
    texts = question.watch(0, lambda: ["a long text"])
    known.leave("run")
    assert question.watch(0, list) is texts
    known.leave("run")
    assert question.watch(0, list) == []
