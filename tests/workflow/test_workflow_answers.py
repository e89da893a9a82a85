"""Answers in a workflow: one equivalence in every graph, guesses, undecided votes."""

from __future__ import annotations

from typing import Any

import pytest

from a2r import A2R
from a2r.result import Result
from tests.support.fake_openai import ScriptedReply, boxed, config_for, fake_openai, replies

pytestmark = pytest.mark.integration

GUESSES = [
    ScriptedReply(text="I add 12 and 30 and somehow end up near 42, I would say") for _ in range(4)
]
HOPELESS = r"\prod_{k=1}^{987654321} k^k"


def solve(scripted: list[ScriptedReply], **changes: Any) -> Result:
    with fake_openai(replies(small=scripted, big=boxed("42"))) as server:
        return A2R(config_for(server.url, **changes)).ask("What is 12 + 30?")


@pytest.mark.parametrize("graph", ["a2r", "self_consistency"])
def test_equivalent_answers_are_one_cluster(graph: str) -> None:
    scripted = [
        boxed(text) for text in (r"2\sqrt{2}", r"\sqrt{8}", r"x = 8^{1/2}", r"\frac{4}{\sqrt2}")
    ]
    result = solve(scripted, graph=graph, stop={"lossless": False})
    assert [(group.votes, group.undecided) for group in result.clusters] == [(4, False)]
    assert result.method == "unanimous"
    assert [sample.answer for sample in result.samples][2] == "8^{1/2}"
    assert {sample.extraction_method for sample in result.samples} == {"boxed"}


def test_a_unit_of_all_other_answers_can_be_omitted() -> None:
    scripted = [boxed(text) for text in (r"5 \text{ cm}", "5", "5 cm", "5")]
    assert [group.votes for group in solve(scripted).clusters] == [4]
    strict = solve(scripted, answers={"units": "strict"})
    assert [group.votes for group in strict.clusters] == [2, 2]


def test_percent_is_interpreted_like_the_other_answers() -> None:
    assert [g.votes for g in solve([boxed(t) for t in (r"20\%", "20", "20", "20")]).clusters] == [4]
    assert [g.votes for g in solve([boxed(t) for t in (r"20\%", "0.2", "20", "0.2")]).clusters] == [
        3,
        1,
    ]


def test_guesses_are_not_answers_unless_configured() -> None:
    result = solve(GUESSES)
    assert {sample.status for sample in result.samples} == {"abstained"}
    assert result.method == "synthesized"


def test_guesses_alone_do_not_agree() -> None:
    result = solve(GUESSES, answers={"last_number": "vote"})
    assert {(s.status, s.extraction_method, s.answer) for s in result.samples} == {
        ("answered", "last_number", "42")
    }
    assert result.gate is not None
    assert (result.gate.decision, result.method) == ("synthesize", "synthesized")
    assert "guess" in result.gate.reason


def test_guesses_agree_if_configured() -> None:
    result = solve(GUESSES, answers={"last_number": "unanimity"})
    assert (result.method, result.answer) == ("unanimous", "42")


def test_comparisons_that_time_out_are_reported() -> None:
    scripted = [boxed(HOPELESS), boxed("42"), boxed("42"), boxed("42")]
    result = solve(scripted, answers={"compare_seconds": 0.2})
    assert [(group.votes, group.undecided) for group in result.clusters] == [(3, False), (1, True)]
    fallback = solve(scripted, answers={"compare_seconds": 0.2}, gate={"rule": "never"})
    assert any("compared in time" in warning for warning in fallback.warnings)
