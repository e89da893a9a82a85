"""The bootstrap interval of the difference of two proportions over the same questions."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate

RESAMPLES = 2000
TAIL = RESAMPLES * 25 // 1000
NEGLIGIBLE_WEIGHT = 1e-18
Interval = tuple[float, float]
Table = tuple[int, list[float]]


def bootstrap_difference(pairs: Sequence[tuple[bool, bool]], seed: int = 0) -> Interval:
    """Return the 95% interval of the first proportion minus the second.

    It is the paired percentile bootstrap (Efron 1979) over questions, 2000 resamples. A question is
    correct only in the first, only in the second, or the same in both. The counts of these outcomes
    in a resample are multinomial. They are sampled as a sequence of binomials, which has the same
    distribution as resampling the questions and is much faster.

    Args:
        pairs: for each question, whether the first is correct and whether the second is.
        seed: seed of the resamples; equal input gives equal intervals.
    """
    n = len(pairs)
    first_only, second_only = (
        sum(pair == outcome for pair in pairs) for outcome in ((True, False), (False, True))
    )
    differing = first_only + second_only
    rng = random.Random(seed)
    resamples: list[int] = []
    for _ in range(RESAMPLES):
        different = _binomial(rng, n, differing, n)
        resamples.append(2 * _binomial(rng, different, first_only, differing) - different)
    return _interval(resamples, n)


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
