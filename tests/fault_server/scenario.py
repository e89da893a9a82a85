"""Scenarios: which request gets which behavior, and when the server is down."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from tests.fault_server.behavior import Behavior

CONDITIONS = ("share", "first", "every", "between", "seconds", "period", "model")
Span = tuple[float, float]
Script = Callable[[dict[str, Any], int], Behavior]
"""Returns the behavior for a request from its body and number (from 0, in order of arrival)."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A behavior and its conditions; it applies if all conditions hold."""

    behavior: Behavior
    share: float | None = None
    """The share of all requests, drawn by seed and number; the shares of rules are disjoint."""
    first: int | None = None
    """The first N requests."""
    every: int | None = None
    """Every Nth request."""
    between: tuple[int, int] | None = None
    """Request numbers from 0, inclusive."""
    seconds: Span | None = None
    """From `a` to before `b` seconds since the start of the script, or of each `period` if set."""
    period: float | None = None
    model: str | None = None

    def matches(self, number: int, seconds: float, model: str | None) -> bool:
        """Whether all conditions except the share hold; `model` is `None` if unknown yet."""
        if self.first is not None and number >= self.first:
            return False
        if self.every is not None and (number + 1) % self.every:
            return False
        if self.between is not None and not self.between[0] <= number <= self.between[1]:
            return False
        if self.seconds is not None:
            moment = seconds % self.period if self.period else seconds
            if not self.seconds[0] <= moment < self.seconds[1]:
                return False
        return self.model is None or self.model == model


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A script: the first matching rule applies, else the default."""

    default: Behavior = field(default_factory=Behavior)
    rules: tuple[Rule, ...] = ()
    seed: int = 0
    down: tuple[Span, ...] = ()
    """When the server is down, in seconds since the start of the script."""
    flapping: float | None = None
    """A period in seconds; the server is down in its second half."""
    paths: Mapping[str, Behavior] = field(default_factory=dict)
    """Faults of other paths such as `/health`: delay, hang, reset, status."""

    def __post_init__(self) -> None:
        shares = sum(rule.share or 0 for rule in self.rules)
        if shares > 1 + 1e-9:
            raise ValueError(f"the shares add up to more than 1: {shares:g}")

    def pick(self, number: int, seconds: float, model: str | None) -> Behavior:
        """Return the behavior for a request."""
        if not self.rules:
            return self.default
        drawn = draw_fraction(self.seed, number)
        start = 0.0
        for rule in self.rules:
            stop = start + (rule.share or 0)
            chosen = rule.share is None or start <= drawn < stop
            start = stop
            if chosen and rule.matches(number, seconds, model):
                return rule.behavior
        return self.default

    def is_down(self, seconds: float) -> bool:
        """Whether the server is down at a time."""
        flapped = self.flapping is not None and seconds % self.flapping >= self.flapping / 2
        return flapped or any(start <= seconds < stop for start, stop in self.down)

    def next_change(self, seconds: float) -> float | None:
        """Return the next time at which the server may go down or up; `None`: never."""
        times = [time for span in self.down for time in span if seconds < time < math.inf]
        if self.flapping is not None:
            half = self.flapping / 2
            times.append((math.floor(seconds / half) + 1) * half)
        return min(times, default=None)


class RunningScenario:
    """A scenario with its clock; callable as a script."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self._started = 0.0
        self.restart()
        behaviors = [scenario.default, *(rule.behavior for rule in scenario.rules)]
        self._needs_no_body = any(item.reset == "before_body" for item in behaviors)

    def restart(self) -> None:
        self._started = time.monotonic()

    def seconds(self) -> float:
        return time.monotonic() - self._started

    def __call__(self, body: dict[str, Any], number: int) -> Behavior:
        return self.scenario.pick(number, self.seconds(), str(body.get("model")))

    def before_body(self, number: int) -> Behavior | None:
        """Return the behavior by number alone; `None` if no rule applies before the body."""
        return self.scenario.pick(number, self.seconds(), None) if self._needs_no_body else None


def draw_fraction(seed: int, number: int) -> float:
    """Return a number in [0, 1), deterministic for a seed and a request number."""
    digest = hashlib.blake2b(f"{seed}:{number}".encode(), digest_size=7).digest()
    return int.from_bytes(digest) / 256**7


def parse_scenario(mapping: Mapping[str, Any]) -> Scenario:
    """Return the scenario of a mapping.

    Keys: `default`, `rules`, `seed`, `down`, `flapping`, `paths`. A rule contains its conditions
    and its behavior, which overrides the default: `{share: 0.1, status: 500}`.

    Raises:
        ValueError: unknown keys or invalid values.
    """
    unknown = sorted(set(mapping) - {item.name for item in fields(Scenario)})
    if unknown:
        raise ValueError(f"unknown keys {', '.join(unknown)}")
    default = Behavior.from_mapping(mapping.get("default") or {})
    paths = mapping.get("paths") or {}
    return Scenario(
        default=default,
        rules=tuple(_rule(rule, default) for rule in mapping.get("rules") or ()),
        seed=int(mapping.get("seed") or 0),
        down=tuple(_span(span) for span in mapping.get("down") or ()),
        flapping=mapping.get("flapping"),
        paths={path: Behavior.from_mapping(fault) for path, fault in paths.items()},
    )


def load_mapping(source: str) -> dict[str, Any]:
    """Return a mapping from a YAML or JSON file, or from inline text."""
    inline = source.lstrip().startswith("{") or "\n" in source or not Path(source).is_file()
    mapping = yaml.safe_load(source if inline else Path(source).read_text(encoding="utf-8"))
    if not isinstance(mapping, dict):
        raise ValueError(f"not a file or mapping: {source}")
    return mapping


def _rule(mapping: Mapping[str, Any], default: Behavior) -> Rule:
    values: dict[str, Any] = {name: mapping[name] for name in CONDITIONS if name in mapping}
    behavior = {name: value for name, value in mapping.items() if name not in CONDITIONS}
    if "seconds" in values:
        values["seconds"] = _span(values["seconds"])
    if "between" in values:
        first, last = values["between"]
        values["between"] = (int(first), int(last))
    return Rule(behavior=Behavior.from_mapping(behavior, default), **values)


def _span(pair: Sequence[float | None]) -> Span:
    start, stop = pair
    return (float(start or 0), math.inf if stop is None else float(stop))
