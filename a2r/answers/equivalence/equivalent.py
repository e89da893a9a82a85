"""Which answers are the same: an equivalence relation."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from a2r.answers.equivalence.comparer import ComparedForm, Comparer
from a2r.answers.settings import DEFAULTS, Settings
from a2r.answers.types import Answer, Kind, validate_kind


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Whether two answers are the same; `undecided` if that is for want of time."""

    same: bool
    undecided: bool


@dataclass(frozen=True, kw_only=True)
class Partition:
    """Groups of positions, each ascending, and the positions that could not be decided."""

    groups: list[list[int]]
    undecided: frozenset[int]


def equivalent(
    a: Answer | str, b: Answer | str, kind: Kind = "auto", settings: Settings = DEFAULTS
) -> bool:
    """Whether two answers are the same; what cannot be decided in time is not.

    Reflexive, symmetric and transitive. Blocks for at most `settings.compare_seconds` a symbolic
    value, once the worker processes have started; see `aequivalent` for async code.
    """
    return compare(a, b, kind, settings).same


def compare(
    a: Answer | str, b: Answer | str, kind: Kind = "auto", settings: Settings = DEFAULTS
) -> Comparison:
    """`equivalent`, with whether it could be decided."""
    found = partition([a, b], kind, settings)
    return Comparison(same=len(found.groups) == 1, undecided=bool(found.undecided))


async def aequivalent(
    a: Answer | str, b: Answer | str, kind: Kind = "auto", settings: Settings = DEFAULTS
) -> bool:
    """`equivalent` without blocking the event loop."""
    return await asyncio.to_thread(equivalent, a, b, kind, settings)


def partition(
    answers: Sequence[Answer | str | None], kind: Kind = "auto", settings: Settings = DEFAULTS
) -> Partition:
    """The classes of equivalent answers; `None` is in none.

    The order of the answers changes the order of the groups alone.
    """
    validate_kind(kind)
    positions: dict[tuple[str, Kind], list[int]] = {}
    for position, answer in enumerate(answers):
        if answer is not None:
            positions.setdefault(_text_and_kind(answer, kind), []).append(position)
    groups: list[list[int]] = []
    undecided: set[int] = set()
    for one in sorted({kind for _, kind in positions}):
        texts = sorted(text for text, its_kind in positions if its_kind == one)
        for forms in _classes(Comparer(one, settings), texts):
            group = sorted(p for form in forms for p in positions[form.text, one])
            groups.append(group)
            if any(form.undecided for form in forms):
                undecided |= set(group)
    return Partition(groups=groups, undecided=frozenset(undecided if len(groups) > 1 else ()))


def _text_and_kind(answer: Answer | str, kind: Kind) -> tuple[str, Kind]:
    text, its_kind = (answer.text, answer.kind) if isinstance(answer, Answer) else (answer, kind)
    return text, "math" if its_kind in ("auto", "text") else its_kind


def _classes(comparer: Comparer, texts: list[str]) -> list[list[ComparedForm]]:
    """Forms with the same key, and those that math-verify joins where one could not be read."""
    classes: dict[str, list[ComparedForm]] = {}
    for form in comparer.forms(texts):
        classes.setdefault(form.key, []).append(form)
    keys = sorted(classes)
    joined = {key: key for key in keys}
    settled: dict[str, bool] = {}
    unread = [key for key in keys if classes[key][0].unparsed]
    for first, second in sorted({(min(a, b), max(a, b)) for a in unread for b in keys if a != b}):
        one, other = classes[first][0], classes[second][0]
        same = comparer.verified(one, other)
        for form_key in (first, second):
            settled[form_key] = settled.get(form_key, True) and same is not None
        if same:
            _union(joined, first, second)
    found: dict[str, list[ComparedForm]] = {}
    for key in keys:
        found.setdefault(_find(joined, key), []).extend(
            _mark_undecided(classes[key], settled.get(key))
        )
    return list(found.values())


def _mark_undecided(forms: list[ComparedForm], settled: bool | None) -> list[ComparedForm]:
    """The forms with `undecided` as math-verify left it, where it was asked."""
    if settled is None:
        return forms
    return [
        ComparedForm(
            text=form.text, key=form.key, undecided=not settled if form.unparsed else form.undecided
        )
        for form in forms
    ]


def _union(joined: dict[str, str], first: str, second: str) -> None:
    a, b = sorted((_find(joined, first), _find(joined, second)))
    joined[b] = a


def _find(joined: dict[str, str], key: str) -> str:
    while joined[key] != key:
        key = joined[key]
    return key
