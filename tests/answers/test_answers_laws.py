"""The laws of equivalence: reflexive, symmetric, transitive, independent of the sample order."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from a2r.answers import Cluster, Settings, cluster, equivalent

FAMILIES = [
    ["1/2", "0.5", r"\frac12", r"50\%", "50", ".50", "0.50", "1/2 cm", "50 percent"],
    [r"\sqrt{8}", r"2\sqrt{2}", "2.83", r"8^{1/2}", r"\frac{4}{\sqrt{2}}", "2.8284271247461903"],
    ["(1,2)", r"\{1,2\}", "1, 2", "[1,2]", "x=1, y=2", r"x=1 \text{ or } x=2", "2, 1"],
    ["1<x<2", "]1,2[", "[1,2]", r"1 \le x \le 2", r"x \in (1,2)", "(1,2) or (3,4)", "(1,2)"],
    ["5", "5 cm", "5 m", "500 cm", "5 apples", "five", r"\$5", "5 €", "x=5", "y = 5"],
    ["(x+1)^2", "x^2+2x+1", "x^2 + 2x", r"\ln(x^2)", r"2\ln x", "y = x+1", "x - y + 1 = 0", "x+1"],
    [r"\int_0^1 x\,dx", "1/2", r"\sum_{n=1}^{3} n", "6", r"\prod_{k=1}^{98765432} k^k", "6.0"],
    ["Paris", "paris.", "London", r"\text{Paris}", "the Paris", "no", "on", "12:05", "12:05 PM"],
    [r"\pm 3", "3, -3", "-3", "3", "x^2 = 9", r"\{3\}", "3:1", "6:2", "4^{1/2}+1"],
    [
        "",
        " ",
        r"\frac3.143.14",
        r"\boxed{}",
        "$",
        "{",
        "}",
        "\ud800",
        "\x00",
        "=",
        "1=",
        "a\nb",
        "%",
        "{{{{",
        "=1=1",
    ],
]
ANYTHING = st.one_of(
    st.text(max_size=20),
    st.sampled_from([text for family in FAMILIES for text in family]),
    st.from_regex(r"-?[0-9]{1,3}(\.[0-9]{1,2})?( cm|%)?", fullmatch=True),
)
LIKELY = st.sampled_from(FAMILIES).flatmap(
    lambda family: st.lists(st.sampled_from(family), max_size=8)
)


def partition(groups: list[Cluster], positions: list[int]) -> set[frozenset[int]]:
    return {frozenset(positions[i] for i in group.samples) for group in groups}


@pytest.mark.integration
@given(ANYTHING)
@settings(deadline=None)
def test_equivalence_is_reflexive(answer: str) -> None:
    assert equivalent(answer, answer)
    assert [group.votes for group in cluster([answer, None, answer])] == [2]


@pytest.mark.integration
@given(ANYTHING, ANYTHING)
@settings(deadline=None)
def test_equivalence_is_symmetric(first: str, second: str) -> None:
    assert equivalent(first, second) == equivalent(second, first)


@pytest.mark.integration
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family[0])
def test_equivalence_is_transitive_and_the_clusters_are_its_classes(family: list[str]) -> None:
    same = {(a, b): equivalent(a, b) for a, b in itertools.product(family, repeat=2)}
    for a, b, c in itertools.product(family, repeat=3):
        assert not (same[a, b] and same[b, c]) or same[a, c], (a, b, c)
    classes = {frozenset(i for i, b in enumerate(family) if same[a, b]) for a in family}
    assert partition(cluster(family), list(range(len(family)))) == classes


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["(1,2)", "1<x<2"], [[0, 1]]),
        (["(1,2)", "x=1, y=2"], [[0, 1]]),
        (["(1,2)", "1<x<2", "x=1, y=2"], [[0, 2], [1]]),
        (["(1,2)", "(1,2)", "[1,2]"], [[0, 1], [2]]),
    ],
)
def test_a_pair_is_a_point_or_an_interval_and_never_both(
    answers: list[str], expected: list[list[int]]
) -> None:
    assert [list(group.samples) for group in cluster(answers)] == expected


@pytest.mark.integration
@given(st.lists(ANYTHING | st.none(), max_size=8) | LIKELY, st.randoms(use_true_random=False))
@example([r"\sqrt{8}", r"\int_0^1 x dx", "1/2", r"2\sqrt 2", r"\int_0^{1} x dx"], random.Random(0))
@settings(deadline=None)
def test_the_order_of_the_samples_never_changes_the_partition(
    answers: list[str | None], chance: random.Random
) -> None:
    order = list(range(len(answers)))
    before = partition(cluster(answers), order)
    chance.shuffle(order)
    assert partition(cluster([answers[p] for p in order]), order) == before


@pytest.mark.integration
@given(LIKELY, st.sampled_from([1, 3, 6]))
@settings(deadline=None)
def test_rounding_to_a_grid_keeps_the_laws(answers: list[str], digits: int) -> None:
    rounding = Settings(digits=digits)
    groups = cluster(answers, settings=rounding)
    for first, second in itertools.combinations(range(len(answers)), 2):
        together = any({first, second} <= set(group.samples) for group in groups)
        assert equivalent(answers[first], answers[second], settings=rounding) == together


def test_the_settings_decide_percent_and_rounding() -> None:
    assert equivalent("50%", "50", settings=Settings(percent="number"))
    assert not equivalent("50%", "0.5", settings=Settings(percent="number"))
    assert equivalent("0.333", "1/3", settings=Settings(digits=3))
    assert not equivalent("0.333", "1/3")


def test_integers_are_exact_at_any_size() -> None:
    assert equivalent("2^{4000}", str(2**4000))
    assert not equivalent("2^{4000}", "2^{4000} + 1")
    assert not equivalent(str(2**4000), str(2**4000 + 1))
    assert not equivalent("10^{400}", r"10^{400} + \frac{1}{10^{400}}")
