"""The pairs of the fuzz, and the registry of their generators."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from a2r.answers import Kind


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two answers, or two texts with answers to extract, and whether they are the same."""

    first: str
    second: str
    same: bool
    kind: Kind = "math"
    are_texts: bool = False
    question: str | None = None


Generator = Callable[[random.Random], Pair]


def either(rng: random.Random, same: Callable[[], Pair], different: Callable[[], Pair]) -> Pair:
    """An equal or a different pair, equally often."""
    return same() if rng.random() < 0.5 else different()
