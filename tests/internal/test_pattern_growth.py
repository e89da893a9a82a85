"""Patterns take time linear in the length of the text: no text of a model stops the event loop."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Mapping

import pytest

from tests.support.pattern_attacks import attacks
from tests.support.pattern_catalog import METHODS, UsedPattern, used_patterns
from tests.support.pattern_timing import slow_attacks

SCREEN_CHARACTERS = 1000
SHARDS = 4
# Patterns that are slower, with what bounds the time that they take.
BOUNDED: Mapping[str, str] = {
    # Runs in a worker process, which is stopped after `compare_seconds`.
    "a2r.answers.sandbox.program_form.STRING_OR_SPACES": "a2r.answers.sandbox.worker:_reply",
}


@pytest.fixture(scope="module")
def patterns() -> list[UsedPattern]:
    return used_patterns()


def used(pattern: str, *methods: str) -> UsedPattern:
    return UsedPattern(pattern=re.compile(pattern), names=("X",), methods=frozenset(methods))


@pytest.mark.parametrize("shard", range(SHARDS))
def test_time_of_patterns_is_linear(patterns: list[UsedPattern], shard: int) -> None:
    tested = [found for found in patterns if not set(found.names) & BOUNDED.keys()]
    slow = [
        text for found in tested[shard::SHARDS] for text in slow_attacks(found, SCREEN_CHARACTERS)
    ]
    assert slow == []


def test_bounded_patterns_exist_with_their_bounds(patterns: list[UsedPattern]) -> None:
    names = {name for found in patterns for name in found.names}
    assert names >= BOUNDED.keys()
    assert all(pkgutil.resolve_name(place) for place in BOUNDED.values())


def test_patterns_of_modules_containers_and_calls_are_found(patterns: list[UsedPattern]) -> None:
    names = {name for found in patterns for name in found.names}
    assert len(patterns) > 300
    assert "a2r.answers.extraction.claims.CLAUSES" in names
    assert "a2r.answers.parsing.sequences.SEQUENCES" in names
    assert any(re.fullmatch(r"a2r\.answers\.extraction\.claims:\d+", name) for name in names)
    methods = {name: found.methods for found in patterns for name in found.names}
    assert methods["a2r.answers.parsing.sequences.SEQUENCES"] == {"fullmatch"}
    assert methods["a2r.answers.extraction.claims.CLAUSES"] == {"sub"}


@pytest.mark.parametrize(
    ("pattern", "method"),
    [
        (r"\s+x", "search"),
        (r"\s*(?:x)?\s*y", "match"),
        (r"a\s*-?\s*b", "search"),
        (r"\[a\].*?\[/a\]", "sub"),
        (r"<t>.+?</t>$", "finditer"),
        (r"(?:\w+\s)?score", "findall"),
        (r"(\w+)\s*\w+:", "fullmatch"),
        (r"^\s*def ", "search"),
        (r"(?:a[*b]*[ *]+){1,3}\(", "match"),
    ],
)
def test_quadratic_patterns_are_found(pattern: str, method: str) -> None:
    flags = re.MULTILINE if pattern.startswith("^") else 0
    compiled = UsedPattern(
        pattern=re.compile(pattern, flags), names=("X",), methods=frozenset({method})
    )
    assert next(slow_attacks(compiled, SCREEN_CHARACTERS), None) is not None


@pytest.mark.parametrize(
    "pattern",
    [r"(?<!\s)\s++x", r"\d{1,4}-\d{1,4}", r"a\s*+-?\s*+b", r"\[a\](?:(?!\[a\]).)*?\[/a\]"],
)
def test_linear_patterns_are_not_found(pattern: str) -> None:
    assert list(slow_attacks(used(pattern, *METHODS), SCREEN_CHARACTERS)) == []


def test_attacks_repeat_the_parts_of_a_pattern() -> None:
    texts = {attack.text(8) for attack in attacks(re.compile(r"key=[0-9]+;"))}
    assert {"00000000\x00", "key=00000000\x00", "key=key=\x00", "key=0\x00"} <= texts
