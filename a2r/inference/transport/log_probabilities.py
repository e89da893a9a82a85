"""Log-probabilities of a reply's tokens, of which a few numbers are stored."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from a2r.result import LogProbs

WINDOW = 64


def token_logprobs(choice: Mapping[str, Any]) -> list[float]:
    """The log-probabilities of the tokens of a chunk, or of a completion; empty without any."""
    logprobs = choice.get("logprobs")
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(content, list):
        return []
    values = [entry.get("logprob") for entry in content if isinstance(entry, dict)]
    return [
        float(value) for value in values if isinstance(value, int | float) and math.isfinite(value)
    ]


def summarize(logprobs: Sequence[float]) -> LogProbs | None:
    """The mean, and the lowest mean of `WINDOW` tokens in a row, of all if there are fewer."""
    if not logprobs:
        return None
    window = min(WINDOW, len(logprobs))
    sums = [0.0, *accumulate(logprobs)]
    lowest = min(end - start for start, end in zip(sums, sums[window:], strict=False))
    return LogProbs(
        tokens=len(logprobs),
        mean=sums[-1] / len(logprobs),
        lowest_window=lowest / window,
        window=window,
    )
