"""The gate's rules as pure functions of the votes."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from a2r._internal.sequential_tests import beta_confidence, sprt_boundary, sprt_log_likelihood_ratio
from a2r.config import Config, load_config
from a2r.config.gate import RULES, GateConfig
from a2r.errors import ConfigError
from a2r.gates import Plan, Votes, build_gate, decide
from a2r.result import Cluster, GateReport


def votes(sizes: list[int], **changes: Any) -> Votes:
    clusters, start = [], 0
    for position, size in enumerate(sizes):
        members = list(range(start, start + size))
        clusters.append(Cluster(answer=str(position), votes=size, samples=members))
        start += size
    values = {"started": 4, "finished": sum(sizes), "answered": sum(sizes)}
    return Votes(clusters=clusters, **(values | changes))


def evaluate(
    rule: str, gate_votes: Votes, left: tuple[int, ...] = (), synthesis: bool = True, **config: Any
) -> GateReport:
    gate_config, gate_votes = GateConfig(rule=rule, **config), replace(gate_votes, left=sum(left))
    return decide(
        build_gate(gate_config),
        rule,
        gate_votes,
        Plan(left=left, synthesis=synthesis, merge_waves=gate_config.merge_waves),
    )


@pytest.mark.parametrize(
    ("rule", "gate_votes", "left", "decision"),
    [
        ("unanimous", votes([4]), (), "accept"),
        ("unanimous", votes([2]), (), "accept"),
        ("unanimous", votes([1]), (), "synthesize"),
        ("unanimous", votes([3, 1]), (), "synthesize"),
        ("unanimous", votes([3, 1]), (1,), "sample_more"),
        ("unanimous", votes([2], started=8), (), "synthesize"),
        ("unanimous", votes([], finished=3), (), "synthesize"),
        ("unanimous", votes([], finished=3, answered=3), (), "synthesize"),
        ("unanimous", votes([], finished=0), (), "no_answer"),
        ("unanimous", votes([], finished=0), (1,), "sample_more"),
        ("unanimous", votes([1], started=1), (), "accept"),
        ("unanimous", votes([1], started=1, total=2), (1,), "sample_more"),
        ("unanimous", votes([3], guessed=2), (), "synthesize"),
        ("share", votes([3, 1]), (), "accept"),
        ("share", votes([2, 1, 1]), (), "synthesize"),
        ("share", votes([1]), (), "synthesize"),
        ("beta", votes([3]), (), "synthesize"),
        ("beta", votes([4]), (4,), "accept"),
        ("beta", votes([5, 1], started=6), (2,), "sample_more"),
        ("beta", votes([7, 1], started=8), (), "accept"),
        ("sprt", votes([2], started=2), (6,), "sample_more"),
        ("sprt", votes([3], started=3), (5,), "accept"),
        ("sprt", votes([5, 2], started=7), (1,), "accept"),
        ("window", votes([4]), (4,), "accept"),
        ("window", votes([3], started=3), (5,), "sample_more"),
        ("always", votes([4]), (), "synthesize"),
        ("never", votes([1, 1, 1, 1]), (), "accept"),
        ("never", votes([], finished=3), (), "accept"),
        ("never", votes([4], total=9), (5,), "sample_more"),
        ("never", votes([4], total=8), (4,), "accept"),
    ],
)
def test_decisions(rule: str, gate_votes: Votes, left: tuple[int, ...], decision: str) -> None:
    report = evaluate(rule, gate_votes, left)
    assert (report.rule, report.decision) == (rule, decision)
    assert report.reason
    assert (report.next is not None) == (decision == "sample_more")


def test_without_synthesis_the_vote_decides() -> None:
    report = evaluate("unanimous", votes([3, 1]), synthesis=False)
    assert report.decision == "accept"
    assert "no synthesis follows" in report.reason
    assert evaluate("unanimous", votes([2, 1]), (2,), synthesis=False).decision == "sample_more"


@pytest.mark.parametrize(
    ("share", "started", "quorum"),
    [(0.5, 4, 2), (0.5, 5, 3), (0.0, 8, 2), (1.0, 8, 8), (0.3, 2, 2)],
)
def test_the_quorum_rounds_up_and_is_at_least_two(share: float, started: int, quorum: int) -> None:
    assert votes([1], started=started).quorum(share) == quorum


def test_a_choice_needs_one_vote_more() -> None:
    two = votes([2], started=2, kind="choice", total=8)
    report = evaluate("unanimous", two, (1, 1, 4))
    assert (report.decision, report.next) == ("sample_more", 1)
    assert evaluate(
        "unanimous", votes([3], started=3, kind="choice", total=8), (1, 4)
    ).decision == ("accept")
    assert evaluate("unanimous", two, (6,), min_votes=2).decision == "accept"
    # The minimum is never more than the samples of all waves.
    assert evaluate("unanimous", votes([2], started=2, kind="choice", total=2)).decision == "accept"


@pytest.mark.parametrize("end", ["abstained", "truncated"])
def test_abstentions_and_truncations_block_if_the_config_says_so(end: str) -> None:
    gate_votes = votes([3], **{end: 1})
    key = {"abstained": "abstentions", "truncated": "truncations"}[end]
    assert evaluate("unanimous", gate_votes).decision == "accept"
    report = evaluate("unanimous", gate_votes, **{key: "block"})
    assert report.decision == "synthesize"
    assert "blocks" in report.reason


def test_waves_that_could_not_end_the_sampling_are_joined() -> None:
    disputed = votes([1, 1], started=2, total=8)
    assert evaluate("unanimous", disputed, (1, 1, 4)).next == 1
    assert evaluate("unanimous", disputed, (1, 1, 4), merge_waves=True).next == 6
    # Five of six votes are a share of 0.83, which is enough; so are four of five and three of four.
    assert evaluate("share", disputed, (1, 1, 4), merge_waves=True).next == 2
    assert evaluate("always", votes([2], started=2, total=8), (2, 4), merge_waves=True).next == 6
    # The next wave can reach the quorum.
    assert (
        evaluate("unanimous", votes([1], started=2, total=8), (1, 1, 4), merge_waves=True).next == 1
    )
    # An open question has nothing to agree on, however many texts there are.
    essays = votes([], started=2, finished=2, total=8, kind="text")
    assert evaluate("unanimous", essays, (1, 1, 4), merge_waves=True).next == 6
    # If only a vote follows, it can be certain after any of them.
    assert evaluate("unanimous", disputed, (1, 1, 4), synthesis=False, merge_waves=True).next == 1


def test_the_posterior_and_the_evidence_match_the_papers() -> None:
    assert beta_confidence(3, 0) == pytest.approx(0.9375)
    assert beta_confidence(4, 0) == pytest.approx(0.96875)
    assert beta_confidence(2, 2) == 0.5
    # The mass of Beta(6, 3) above one half, by its density.
    steps = 20_000
    density = [(n / steps) ** 5 * (1 - n / steps) ** 2 for n in range(steps + 1)]
    assert beta_confidence(5, 2) == pytest.approx(
        sum(density[steps // 2 :]) / sum(density), abs=1e-3
    )
    assert sprt_log_likelihood_ratio(3, 1, 0.75) == pytest.approx(3 * math.log(1.5) + math.log(0.5))
    assert sprt_boundary(0.05, 0.1) == pytest.approx(math.log(18))


@given(st.integers(0, 30), st.integers(0, 30))
def test_evidence_never_decreases_with_votes_for_the_top(first: int, second: int) -> None:
    assert beta_confidence(first + 1, second) > beta_confidence(first, second)
    assert beta_confidence(first, second + 1) < beta_confidence(first, second)
    assert 0 < beta_confidence(first, second) < 1


def config(waves: list[int], **gate: Any) -> Config:
    role = {"model": "m", "endpoints": ["http://h/v1"]}
    return Config.model_validate(
        {"explorer": {**role, "waves": waves}, "synthesizer": role, "gate": gate}
    )


@pytest.mark.parametrize(
    ("waves", "gate", "reason"),
    [
        ([3], {"rule": "beta"}, "0.95 is out of reach: 3 unanimous samples give 0.9375"),
        ([2, 1], {"rule": "beta", "threshold": 0.95}, "lower the threshold or draw more samples"),
        ([8], {"rule": "beta", "threshold": 0.999}, "8 unanimous samples give 0.998"),
        ([2], {"rule": "sprt"}, "too little evidence"),
        ([8], {"rule": "sprt", "sprt": {"p1": 0.7, "alpha": 0.05, "beta": 0.1}}, "too little"),
        ([3], {"rule": "window"}, "window 4 is larger than the 3 samples"),
        (
            [8],
            {"rule": "unanimous", "min_votes": 9},
            "9 agreeing answers are required, but all waves have 8",
        ),
        ([8], {"rule": "sprt", "sprt": {"alpha": 0.5, "beta": 0.6}}, "alpha [+] beta"),
        ([8], {"rule": "unanimos"}, "did you mean 'unanimous'"),
        ([8], {"rule": "share", "threshold": 1.5}, "less than or equal to 1"),
    ],
)
def test_settings_that_can_never_accept_are_rejected(
    waves: list[int], gate: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValidationError, match=reason):
        config(waves, **gate)


@pytest.mark.parametrize(
    ("waves", "gate"),
    [
        ([1], {"rule": "beta"}),
        ([4], {"rule": "beta"}),
        ([2, 2], {"rule": "beta"}),
        ([3], {"rule": "sprt"}),
        ([2], {"rule": "unanimous"}),
        ([1, 1], {"rule": "always"}),
        ([2], {"rule": "package.module:rule"}),
    ],
)
def test_settings_that_can_accept_are_valid(waves: list[int], gate: dict[str, Any]) -> None:
    assert config(waves, **gate).gate.rule == gate["rule"]


@pytest.mark.parametrize(
    ("graph", "explorer", "bigger", "voters", "possible"),
    [
        ("cascade", 2, 2, "all", True),
        ("cascade", 2, 1, "all", False),
        ("cascade", 3, 2, "synthesizer", False),
        ("cascade", 3, 4, "synthesizer", True),
        ("cascade", 4, 1, "synthesizer", True),
        ("cascade", 3, 1, "synthesizer", False),
        ("a2r", 2, 4, "all", False),
        ("my_flow.py", 2, 2, "all", True),
        ("package.flows:build", 2, 1, "all", False),
    ],
)
def test_a_cascade_needs_enough_samples_that_vote_together(
    graph: str, explorer: int, bigger: int, voters: str, possible: bool
) -> None:
    values: dict[str, Any] = {
        "graph": graph,
        "explorer": {"model": "m", "endpoints": ["http://h/v1"], "samples": explorer},
        "synthesizer": {"model": "m", "endpoints": ["http://h/v1"]},
        "cascade": {"waves": [bigger], "votes": voters},
        "gate": {"rule": "beta"},
    }
    if possible:
        assert Config.model_validate(values).graph == graph
        return
    with pytest.raises(ValidationError, match="beta can never accept"):
        Config.model_validate(values)


@pytest.mark.parametrize("count", range(1, 41))
def test_a_share_is_compared_exactly(count: int) -> None:
    for hundredths in range(1, 101):
        needed = -(-count * hundredths // 100)
        rule = build_gate(GateConfig(rule="share", threshold=hundredths / 100, quorum=0.01))
        gate_votes = votes([needed] + [1] * (count - needed), started=count)
        assert rule(gate_votes)[0] == "accept" or needed < 2, (count, hundredths)
        assert votes([count], started=count).quorum(hundredths / 100) == max(2, needed)


def test_the_minimum_of_agreeing_samples_is_what_the_rule_accepts() -> None:
    for rule in sorted(set(RULES) - {"always", "never"}):
        gate_config = GateConfig(rule=rule)
        minimum = gate_config.min_agreeing(20)
        assert minimum is not None
        for count in range(1, 20):
            report = evaluate(rule, votes([count], started=count, total=20), (1,))
            assert (report.decision == "accept") == (count >= minimum), (rule, count)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return None", "returned None"),
        ("return 'accept'", "returned 'accept'"),
        ("return 'no_answer', 'x'", "returned [(]'no_answer'"),
        ("return 'accept', 3", "returned [(]'accept', 3"),
        ("raise KeyError('x')", "failed: KeyError"),
    ],
)
def test_the_error_of_a_failing_rule_names_it(body: str, reason: str) -> None:
    scope: dict[str, Any] = {}
    exec(f"def rule(votes):\n    {body}", scope)
    with pytest.raises(ConfigError, match=f"gate.rule 'mine.py:rule' {reason}"):
        decide(scope["rule"], "mine.py:rule", votes([2, 1]), Plan())


def test_an_override_of_one_kind_changes_only_that_kind() -> None:
    role = {"model": "m", "endpoints": ["http://h/v1"], "samples": 8}
    loaded = load_config(
        {"explorer": role, "gate": {"min_votes": 4}}, assignments=["gate.min_votes.choice=3"]
    )
    agree = loaded.config.gate.min_votes
    assert (agree.choice, agree.math, agree.json_) == (3, 4, 4)


def test_a_custom_rule_by_import_path(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "class AtLeast:\n"
        "    def __init__(self, votes):\n"
        "        self.votes = votes\n"
        "    def __call__(self, votes):\n"
        "        enough = votes.top >= self.votes\n"
        "        return ('accept' if enough else 'synthesize'), f'{votes.top} votes'\n"
        "def plain(votes):\n"
        "    return 'accept', 'always'\n"
        "number = 3\n"
    )
    gate_config = GateConfig(rule="mine.py:AtLeast", settings={"votes": 3})
    gate = build_gate(gate_config, tmp_path)
    plan = Plan(left=(2,))
    assert decide(gate, gate_config.rule, votes([3, 1]), plan).decision == "accept"
    # A custom rule can start the synthesis before the last wave.
    assert decide(gate, gate_config.rule, votes([2, 2]), plan).decision == "synthesize"
    assert build_gate(GateConfig(rule="mine.py:plain"), tmp_path)(votes([1])) == (
        "accept",
        "always",
    )
    for rule, settings, reason in (
        ("mine.py:AtLeast", {"nope": 1}, "does not accept gate.settings"),
        ("mine.py:plain", {"votes": 1}, "is not a class: remove gate.settings"),
        ("mine.py:missing", {}, "there is no missing"),
        ("mine.py:number", {}, "is not callable"),
        ("nowhere.py:rule", {}, "there is no file"),
        ("no_such_package.gates:rule", {}, "there is no module"),
    ):
        with pytest.raises(ConfigError, match=reason):
            build_gate(GateConfig(rule=rule, settings=settings), tmp_path)
