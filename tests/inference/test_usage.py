"""Counting: unknowns stay unknown, estimates stay marked."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from a2r.usage import Usage, estimate_tokens, total

COUNTS = st.none() | st.integers(0, 10**6)
USAGES = st.builds(
    Usage,
    calls=st.integers(0, 9),
    prompt_tokens=COUNTS,
    completion_tokens=COUNTS,
    reasoning_tokens=COUNTS,
    cost=st.none() | st.integers(0, 100).map(float),
    estimated=st.booleans(),
)


@given(USAGES, USAGES, USAGES)
def test_addition_is_commutative_and_associative(a: Usage, b: Usage, c: Usage) -> None:
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a + Usage() == a


@given(st.lists(USAGES))
def test_a_total_is_known_only_if_every_part_is(usages: list[Usage]) -> None:
    summed = total(usages)
    parts = [usage.prompt_tokens for usage in usages]
    known = [part for part in parts if part is not None]
    assert summed.prompt_tokens == (sum(known) if len(known) == len(parts) else None)
    assert summed.estimated == any(usage.estimated for usage in usages)


def test_estimates() -> None:
    assert estimate_tokens("") == 0
    assert estimate_tokens("a") == 1
    assert estimate_tokens("a" * 400) == 100
    assert estimate_tokens("多" * 4) == 3
