"""Bootstrap intervals of two proportions over the same questions, and of their difference."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

RESAMPLES = 2000
TAIL = RESAMPLES * 25 // 1000
NEGLIGIBLE_WEIGHT = 1e-18
Interval = tuple[float, float]
Table = tuple[int, list[float]]


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """95% intervals of the first proportion, of the second, and of the first minus the second."""

    first: Interval
    second: Interval
    difference: Interval


def bootstrap_intervals(pairs: Sequence[tuple[bool, bool]], seed: int = 0) -> Intervals:
    """Return the paired percentile bootstrap (Efron 1979) over questions, 2000 resamples.

    A question is correct in both, only in the first, only in the second, or in neither. The counts
    of these four outcomes in a resample are multinomial. They are sampled as a sequence of
    binomials, which has the same distribution as resampling the questions and is much faster.

    Args:
        pairs: for each question, whether the first is correct and whether the second is.
        seed: seed of the resamples; equal input gives equal intervals.
    """
    n = len(pairs)
    both, first_only, second_only = (
        sum(pair == outcome for pair in pairs)
        for outcome in ((True, True), (True, False), (False, True))
    )
    differing = first_only + second_only
    rng = random.Random(seed)
    resamples: list[tuple[int, int, int]] = []
    for _ in range(RESAMPLES):
        different = _binomial(rng, n, differing, n)
        gained = _binomial(rng, different, first_only, differing)
        resamples.append((_binomial(rng, n - different, both, n - differing), gained, different))
    return Intervals(
        first=_interval([same + gained for same, gained, _ in resamples], n),
        second=_interval([same + different - gained for same, gained, different in resamples], n),
        difference=_interval([2 * gained - different for _, gained, different in resamples], n),
    )


def _interval(counts: list[int], n: int) -> Interval:
    counts.sort()
    return counts[TAIL] / n, counts[-1 - TAIL] / n


def _binomial(rng: random.Random, n: int, numerator: int, denominator: int) -> int:
    """Sample a binomial of `n` trials with probability `numerator / denominator` (inverse CDF)."""
    if numerator == 0 or n == 0:
        return 0
    if numerator == denominator:
        return n
    minimum, cumulative = _table(n, numerator, denominator)
    index = bisect_right(cumulative, rng.random() * cumulative[-1])
    return minimum + min(index, len(cumulative) - 1)


@lru_cache(maxsize=4096)
def _table(n: int, numerator: int, denominator: int) -> Table:
    """Return the smallest count with a weight, and the cumulative weights from there.

    Weights are relative to the mode, whose weight is 1: only negligible weights underflow.
    """
    mode = min(n, (n + 1) * numerator // denominator)
    odds = numerator / (denominator - numerator)
    below, above = [], [1.0]
    for k in range(mode, n):
        above.append(above[-1] * odds * (n - k) / (k + 1))
        if above[-1] < NEGLIGIBLE_WEIGHT:
            break
    weight = 1.0
    for k in range(mode, 0, -1):
        weight *= k / ((n - k + 1) * odds)
        below.append(weight)
        if weight < NEGLIGIBLE_WEIGHT:
            break
    return mode - len(below), list(accumulate([*reversed(below), *above]))
