"""Early stopping: a wave is settled only if every outcome of its samples decides the same."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2r.config.gate import GateConfig
from a2r.gates import Gate, Plan, Votes, build_gate, decide, is_settled
from a2r.gates.rules import Agreement
from a2r.gates.votes import count_votes
from a2r.result import Cluster, Sample

GATES: list[dict[str, Any]] = [
    {"rule": "unanimous"},
    {"rule": "share", "threshold": 0.5},
    {"rule": "share", "threshold": 0.3},
    {"rule": "share", "threshold": 0.75, "quorum": 0.75},
    {"rule": "share", "threshold": 0.6, "truncations": "block"},
    {"rule": "beta", "threshold": 0.8},
    {"rule": "beta", "threshold": 0.6, "min_votes": 3},
    {"rule": "sprt"},
    {"rule": "window", "window": 2},
    {"rule": "window", "window": 3},
    {"rule": "never"},
    {"rule": "always"},
]
# A digit is an answer; the other outcomes have no answer.
ENDS = ["0", "1", "2", "3", "abstained", "truncated", "failed"]


def votes(ends: Sequence[str | None], total: int) -> Votes:
    """The votes of samples in order; a sample that is `None` is running."""
    samples, groups = [], dict[str, list[int]]()
    for index, end in enumerate(ends):
        if end is None:
            continue
        answered = end.isdigit()
        samples.append(
            Sample(
                index=index,
                status="answered" if answered else end,  # type: ignore[arg-type]
                answer=end if answered else None,
                text="" if end == "failed" else "text",
            )
        )
        if answered:
            groups.setdefault(end, []).append(index)
    clusters = [
        Cluster(answer=answer, votes=len(members), samples=members)
        for answer, members in groups.items()
    ]
    clusters.sort(key=lambda group: (-group.votes, group.samples[0]))
    counted = count_votes(samples, clusters, "math", total=total)
    return Votes(**{**vars(counted), "started": len(ends)})


def outcome(
    gate: Gate, rule: str, ends: list[str], later: Sequence[str], plan: Plan
) -> tuple[str, str | None]:
    """The decision without early stopping, and the top answer."""
    total = len(ends) + sum(plan.left)
    patient = Plan(left=plan.left, synthesis=plan.synthesis, lossless=False)
    report = decide(gate, rule, votes(ends, total), patient)
    if report.decision == "sample_more" and not plan.synthesis:
        size = plan.left[0]
        rest = Plan(left=plan.left[1:], synthesis=False, lossless=False)
        return outcome(gate, rule, [*ends, *later[:size]], later[size:], rest)
    top = votes(ends, total).clusters
    return report.decision, top[0].answer if top else None


@st.composite
def running_waves(draw: st.DrawFn) -> tuple[list[str | None], list[int], bool]:
    started = draw(st.integers(2, 7))
    ends: list[str | None] = draw(
        st.lists(st.sampled_from(ENDS), min_size=started, max_size=started)
    )
    running = draw(st.sets(st.integers(0, started - 1), max_size=3))
    for index in running:
        ends[index] = None
    left = draw(st.sampled_from([[], [1], [2], [1, 1]]))
    return ends, left, draw(st.booleans())


@pytest.mark.parametrize("options", GATES, ids=lambda options: "-".join(map(str, options.values())))
@settings(max_examples=150, deadline=None)
@given(wave=running_waves())
def test_a_settled_wave_has_the_same_decision_for_every_outcome(
    options: dict[str, Any], wave: tuple[list[str | None], list[int], bool]
) -> None:
    ends, left, synthesis = wave
    synthesis = synthesis and options["rule"] != "never"
    gate, plan = build_gate(GateConfig(**options)), Plan(left=left, synthesis=synthesis)
    running = [index for index, end in enumerate(ends) if end is None]
    total = len(ends) + sum(left)
    if not is_settled(gate, votes(ends, total), running, plan):
        return
    later_ends = ENDS if sum(left) < 2 else ["0", "1", "3", "failed"]
    outcomes = {
        outcome(gate, options["rule"], _filled(ends, filling), later, plan)
        for filling in itertools.product(ENDS, repeat=len(running))
        for later in itertools.product(later_ends, repeat=sum(left) if not synthesis else 0)
    }
    assert len(outcomes) == 1
    # Cancelling the running samples gives the same decision.
    stopped = _filled(ends, ["failed"] * len(running))
    report = decide(gate, options["rule"], votes(stopped, total), plan)
    top = votes(stopped, total).clusters[0].answer
    assert {(report.decision, top)} == outcomes
    assert report.decision == "accept"


def test_waves_can_be_settled() -> None:
    majority = votes(["0", "0", "0", None, "1", None], 6)
    vote_only = Plan(synthesis=False)
    assert is_settled(build_gate(GateConfig(rule="never")), majority, [3, 5], vote_only)
    assert is_settled(build_gate(GateConfig()), majority, [3, 5], vote_only)
    assert not is_settled(build_gate(GateConfig()), majority, [3, 5], Plan())
    share = build_gate(GateConfig(rule="share", threshold=0.5))
    assert is_settled(share, majority, [3, 5], Plan())
    assert not is_settled(share, votes(["0", "0", "1", None, None, None], 6), [3, 4, 5], Plan())


def test_a_custom_rule_that_is_not_monotone_is_never_settled() -> None:
    class Few(Agreement):
        def is_satisfied(self, votes: Votes) -> tuple[bool, str]:
            return len(votes.clusters) <= 2, ""

    under_way = votes(["0", "0", "0", "1", None], 5)
    assert not is_settled(Few(), under_way, [4], Plan())


def test_a_tie_is_settled_by_the_lowest_index() -> None:
    never, plan = build_gate(GateConfig(rule="never")), Plan(synthesis=False)
    # Sample 3 can only make a tie, which sample 0 wins.
    assert is_settled(never, votes(["0", "1", "0", None], 4), [3], plan)
    # Sample 0 can give the other answer another vote and the lowest index.
    assert not is_settled(never, votes([None, "0", "0", "1"], 4), [0], plan)


def _filled(ends: Sequence[str | None], filling: Sequence[str]) -> list[str]:
    following = iter(filling)
    return [end if end is not None else next(following) for end in ends]
