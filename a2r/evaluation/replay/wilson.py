"""The Wilson interval of a proportion."""

from __future__ import annotations

import math

Z_95 = 1.959963984540054


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95% score interval of a proportion (Wilson 1927).

    Unlike a bootstrap, it has a width where all trials succeed or all fail: 30 of 30 is 0.886 to 1.
    """
    share, spread = successes / trials, Z_95**2 / trials
    center = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
    low = 0.0 if successes == 0 else center - half
    high = 1.0 if successes == trials else center + half
    return low, high
