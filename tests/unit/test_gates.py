"""The gate's rules as pure functions of the votes."""

from __future__ import annotations

from typing import Any

import pytest

from a2r.config.schema import GateConfig
from a2r.gates import Votes, decide
from a2r.result import Cluster


def votes(sizes: list[int], **changes: Any) -> Votes:
    clusters, start = [], 0
    for position, size in enumerate(sizes):
        members = list(range(start, start + size))
        clusters.append(Cluster(answer=str(position), votes=size, samples=members))
        start += size
    values = {"started": 4, "finished": sum(sizes), "answered": sum(sizes), "waves_left": 0}
    return Votes(clusters=clusters, **(values | changes))


@pytest.mark.parametrize(
    ("rule", "given", "decision"),
    [
        ("unanimous", votes([4]), "accept"),
        ("unanimous", votes([2]), "accept"),
        ("unanimous", votes([1]), "synthesize"),
        ("unanimous", votes([3, 1]), "synthesize"),
        ("unanimous", votes([3, 1], waves_left=1), "sample_more"),
        ("unanimous", votes([2], started=8), "synthesize"),
        ("unanimous", votes([], finished=3), "synthesize"),
        ("unanimous", votes([], finished=3, answered=3), "synthesize"),
        ("unanimous", votes([], finished=0), "no_answer"),
        ("unanimous", votes([], finished=0, waves_left=1), "sample_more"),
        ("unanimous", votes([1], started=1), "accept"),
        ("unanimous", votes([1], started=1, waves_left=1), "sample_more"),
        ("unanimous", votes([3, 1], can_synthesize=False), "accept"),
        ("unanimous", votes([3, 1], can_synthesize=False, waves_left=1), "sample_more"),
        ("always", votes([4]), "synthesize"),
        ("never", votes([1, 1, 1, 1]), "accept"),
        ("never", votes([], finished=3), "accept"),
        ("never", votes([4], waves_left=1), "sample_more"),
    ],
)
def test_decisions(rule: Any, given: Votes, decision: str) -> None:
    report = decide(GateConfig(rule=rule), given)
    assert (report.rule, report.decision) == (rule, decision)
    assert report.reason


@pytest.mark.parametrize(
    ("share", "started", "quorum"),
    [(0.5, 4, 2), (0.5, 5, 3), (0.0, 8, 2), (1.0, 8, 8), (0.3, 2, 2)],
)
def test_the_quorum_rounds_up_and_is_at_least_two(share: float, started: int, quorum: int) -> None:
    assert votes([1], started=started).quorum(share) == quorum
