"""A figure with its limit, and the report of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A figure, and the limit that it must stay under; or not fall below, with `at_least`."""

    name: str
    value: float
    unit: str
    limit: float
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Whether the figure is within its limit."""
        return self.value >= self.limit if self.at_least else self.value < self.limit


def report(measures: Sequence[Measure]) -> int:
    """Print every figure; 1 if one is beyond its limit, else 0."""
    for measure in measures:
        word = "least" if measure.at_least else "limit"
        figures = f"{measure.value:9.3f} {measure.unit:3} ({word} {measure.limit:g})"
        verdict = "ok" if measure.holds else "FAILED"
        print(f"{measure.name:66} {figures}  {verdict}", flush=True)
    return int(not all(measure.holds for measure in measures))
