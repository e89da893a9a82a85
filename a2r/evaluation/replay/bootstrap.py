"""Bootstrap intervals of two shares of the same questions, and of their difference."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

RESAMPLES = 2000
OUTSIDE = RESAMPLES * 25 // 1000
NEGLIGIBLE = 1e-18
Interval = tuple[float, float]
Table = tuple[int, list[float]]


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """95% intervals: of the first share, of the second, and of the first less the second."""

    first: Interval
    second: Interval
    difference: Interval


def bootstrap_intervals(pairs: Sequence[tuple[bool, bool]], seed: int = 0) -> Intervals:
    """The paired percentile bootstrap (Efron 1979) over questions, 2000 resamples.

    A question is one of four: right in both, in one or the other, or in none. How often each is
    drawn is multinomial, and is drawn as such, one binomial after another, which gives exactly
    the distribution of drawing question by question at a fraction of its cost.

    Args:
        pairs: for each question, whether the first is right and whether the second is.
        seed: makes equal input give equal intervals.
    """
    n = len(pairs)
    both, first_only, second_only = (
        sum(pair == wanted for pair in pairs)
        for wanted in ((True, True), (True, False), (False, True))
    )
    differing = first_only + second_only
    rng = random.Random(seed)
    drawn: list[tuple[int, int, int]] = []
    for _ in range(RESAMPLES):
        different = _binomial(rng, n, differing, n)
        gained = _binomial(rng, different, first_only, differing)
        drawn.append((_binomial(rng, n - different, both, n - differing), gained, different))
    return Intervals(
        first=_interval([same + gained for same, gained, _ in drawn], n),
        second=_interval([same + different - gained for same, gained, different in drawn], n),
        difference=_interval([2 * gained - different for _, gained, different in drawn], n),
    )


def _interval(counts: list[int], n: int) -> Interval:
    counts.sort()
    return counts[OUTSIDE] / n, counts[-1 - OUTSIDE] / n


def _binomial(rng: random.Random, n: int, part: int, of: int) -> int:
    """How many of `n` draws have a probability's `part` of `of`: its CDF, inverted."""
    if part == 0 or n == 0:
        return 0
    if part == of:
        return n
    lowest, cumulated = _table(n, part, of)
    place = bisect_right(cumulated, rng.random() * cumulated[-1])
    return lowest + min(place, len(cumulated) - 1)


@lru_cache(maxsize=4096)
def _table(n: int, part: int, of: int) -> Table:
    """A binomial's lowest count that matters, and its weights from there on, cumulated.

    The weights go out from the most likely count, whose weight is 1, so that none of them
    underflows that matters.
    """
    mode, odds = min(n, (n + 1) * part // of), part / (of - part)
    below, above = [], [1.0]
    for k in range(mode, n):
        above.append(above[-1] * odds * (n - k) / (k + 1))
        if above[-1] < NEGLIGIBLE:
            break
    weight = 1.0
    for k in range(mode, 0, -1):
        weight *= k / ((n - k + 1) * odds)
        below.append(weight)
        if weight < NEGLIGIBLE:
            break
    return mode - len(below), list(accumulate([*reversed(below), *above]))
