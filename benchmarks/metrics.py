"""Benchmark metrics with limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A measured value and its limit: an upper limit, or a lower one with `is_minimum`."""

    name: str
    value: float
    unit: str
    limit: float
    is_minimum: bool = False

    @property
    def is_within_limit(self) -> bool:
        """Whether the value is within its limit."""
        return self.value >= self.limit if self.is_minimum else self.value < self.limit


def print_metrics(metrics: Sequence[Metric]) -> int:
    """Print a line per metric; return 1 if one is beyond its limit, else 0."""
    for metric in metrics:
        bound = "min" if metric.is_minimum else "max"
        value = f"{metric.value:9.3f} {metric.unit:3} ({bound} {metric.limit:g})"
        verdict = "ok" if metric.is_within_limit else "FAILED"
        print(f"{metric.name:66} {value}  {verdict}", flush=True)
    return int(not all(metric.is_within_limit for metric in metrics))
