"""Which request gets which behaviour, and when the server is down: a script as data."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from tests.fault_server.behaviour import Behaviour

Span = tuple[float, float]
Script = Callable[[dict[str, Any], int], Behaviour]
"""Says what a request gets, from its body and its number (from 0, in order of arrival)."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A behaviour and its conditions, all of which must hold."""

    behaviour: Behaviour
    share: float | None = None
    """The share of all requests, drawn by seed and number; two rules never draw the same one."""
    first: int | None = None
    """The first so many requests."""
    every: int | None = None
    """Every so-manieth request."""
    between: tuple[int, int] | None = None
    """Request numbers from 0, both ends included."""
    seconds: Span | None = None
    """From `a` to before `b` seconds since the script began; of each `period`, if there is one."""
    period: float | None = None
    model: str | None = None

    def holds(self, number: int, seconds: float, model: str | None) -> bool:
        """Whether all conditions hold, but for the share; `model` is null if not known yet."""
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
    """A whole script: the first rule that holds decides, else the default."""

    default: Behaviour = field(default_factory=Behaviour)
    rules: tuple[Rule, ...] = ()
    seed: int = 0
    down: tuple[Span, ...] = ()
    """When the listener is closed, in seconds since the script began."""
    flapping: float | None = None
    """Seconds of a period, of which the second half is down."""
    paths: Mapping[str, Behaviour] = field(default_factory=dict)
    """What goes wrong with other paths, say `/health`: delay, hang, reset, status."""

    def __post_init__(self) -> None:
        shares = sum(rule.share or 0 for rule in self.rules)
        if shares > 1 + 1e-9:
            raise ValueError(f"the shares add up to more than 1: {shares:g}")

    def pick(self, number: int, seconds: float, model: str | None) -> Behaviour:
        """What a request gets."""
        if not self.rules:
            return self.default
        drawn = draw(self.seed, number)
        start = 0.0
        for rule in self.rules:
            stop = start + (rule.share or 0)
            chosen = rule.share is None or start <= drawn < stop
            start = stop
            if chosen and rule.holds(number, seconds, model):
                return rule.behaviour
        return self.default

    def is_down(self, seconds: float) -> bool:
        """Whether the server is down at a time."""
        flapped = self.flapping is not None and seconds % self.flapping >= self.flapping / 2
        return flapped or any(start <= seconds < stop for start, stop in self.down)

    def next_change(self, seconds: float) -> float | None:
        """The next time at which the server may go down or up; null: never."""
        times = [time for span in self.down for time in span if seconds < time < math.inf]
        if self.flapping is not None:
            half = self.flapping / 2
            times.append((math.floor(seconds / half) + 1) * half)
        return min(times, default=None)


class Playing:
    """A scenario with its clock: a script, which also knows what needs no body."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self._began = 0.0
        self.restart()
        behaviours = [scenario.default, *(rule.behaviour for rule in scenario.rules)]
        self._needs_no_body = any(one.reset == "before_body" for one in behaviours)

    def restart(self) -> None:
        self._began = time.monotonic()

    def seconds(self) -> float:
        return time.monotonic() - self._began

    def __call__(self, body: dict[str, Any], number: int) -> Behaviour:
        return self.scenario.pick(number, self.seconds(), str(body.get("model")))

    def before_body(self, number: int) -> Behaviour | None:
        """What a request gets as far as its number tells; null if nothing needs it so early."""
        return self.scenario.pick(number, self.seconds(), None) if self._needs_no_body else None


def draw(seed: int, number: int) -> float:
    """A number from 0 to below 1, always the same for a seed and a request number."""
    digest = hashlib.blake2b(f"{seed}:{number}".encode(), digest_size=7).digest()
    return int.from_bytes(digest) / 256**7


def scenario_from(mapping: Mapping[str, Any]) -> Scenario:
    """A scenario from a file's content; what it doesn't know is an error.

    Keys: `default`, `rules`, `seed`, `down`, `flapping`, `paths`. A rule holds its conditions
    beside its behaviour, which changes the default: `{share: 0.1, status: 500}`.
    """
    unknown = sorted(set(mapping) - {one.name for one in fields(Scenario)})
    if unknown:
        raise ValueError(f"a script has no {', '.join(unknown)}")
    default = Behaviour.from_mapping(mapping.get("default") or {})
    paths = mapping.get("paths") or {}
    return Scenario(
        default=default,
        rules=tuple(_rule(rule, default) for rule in mapping.get("rules") or ()),
        seed=int(mapping.get("seed") or 0),
        down=tuple(_span(span) for span in mapping.get("down") or ()),
        flapping=mapping.get("flapping"),
        paths={path: Behaviour.from_mapping(one) for path, one in paths.items()},
    )


def load(source: str) -> dict[str, Any]:
    """A mapping from a YAML or JSON file, or from such text itself."""
    inline = source.lstrip().startswith("{") or "\n" in source or not Path(source).is_file()
    mapping = yaml.safe_load(source if inline else Path(source).read_text(encoding="utf-8"))
    if not isinstance(mapping, dict):
        raise ValueError(f"neither a file nor a mapping: {source}")
    return mapping


def _rule(mapping: Mapping[str, Any], default: Behaviour) -> Rule:
    conditions = {one.name for one in fields(Rule)} - {"behaviour"}
    values: dict[str, Any] = {name: mapping[name] for name in conditions & set(mapping)}
    said = {name: value for name, value in mapping.items() if name not in conditions}
    if "seconds" in values:
        values["seconds"] = _span(values["seconds"])
    if "between" in values:
        first, last = values["between"]
        values["between"] = (int(first), int(last))
    return Rule(behaviour=Behaviour.from_mapping(said, default), **values)


def _span(pair: Sequence[float | None]) -> Span:
    start, stop = pair
    return (float(start or 0), math.inf if stop is None else float(stop))
