"""Runs the generators and counts false and missed equalities."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from a2r.answers import compare, extract
from tests.answers.fuzz.expressions import EXPRESSIONS
from tests.answers.fuzz.extraction import EXTRACTION
from tests.answers.fuzz.literals import LITERALS
from tests.answers.fuzz.pairs import Pair
from tests.answers.fuzz.structures import STRUCTURES

GENERATORS: Mapping[str, Callable[[random.Random], Pair]] = {
    **EXPRESSIONS,
    **STRUCTURES,
    **LITERALS,
    **EXTRACTION,
}
MAX_MISSED = 0.02
MAX_MISSED_OF = {"units": 0.05}
MAX_EXAMPLES = 12


@dataclass(kw_only=True)
class Tally:
    """The counts of a class: tried and equal pairs, with the false and missed ones."""

    tried: int = 0
    equal: int = 0
    false: list[Pair] = field(default_factory=list)
    missed: list[Pair] = field(default_factory=list)
    false_count: int = 0
    missed_count: int = 0

    def add(self, pair: Pair, same: bool) -> None:
        """Count the verdict of a pair."""
        self.tried += 1
        self.equal += pair.same
        if same and not pair.same:
            self.false_count += 1
            self.false = [*self.false, pair][:MAX_EXAMPLES]
        if pair.same and not same:
            self.missed_count += 1
            self.missed = [*self.missed, pair][:MAX_EXAMPLES]

    @property
    def missed_share(self) -> float:
        """The share of equal pairs that are missed."""
        return self.missed_count / self.equal if self.equal else 0.0


def fuzz(seed: int, *, rounds: int | None = None, seconds: float | None = None) -> dict[str, Tally]:
    """The tallies by class after so many pairs of each class, or after so many seconds."""
    rng = random.Random(seed)
    tallies = {name: Tally() for name in GENERATORS}
    end = None if seconds is None else time.monotonic() + seconds
    done = 0
    while (rounds is None or done < rounds) and (end is None or time.monotonic() < end):
        for name, generate in GENERATORS.items():
            pair = generate(rng)
            tallies[name].add(pair, verdict(pair))
        done += 1
    return tallies


def verdict(pair: Pair) -> bool:
    """Whether the product calls a pair the same."""
    answers = (pair.first, pair.second)
    if pair.are_texts:
        extracted = [extract(text, pair.kind, pair.question) for text in answers]
        if None in extracted:
            return False
        answers = tuple(answer.text for answer in extracted if answer)
    return compare(*answers, pair.kind, question=pair.question).same


def beyond_limit(tallies: Mapping[str, Tally]) -> list[str]:
    """The classes with a false equality, or with too many missed ones."""
    return [
        name
        for name, tally in tallies.items()
        if tally.false_count or tally.missed_share > MAX_MISSED_OF.get(name, MAX_MISSED)
    ]
