"""The equivalence relation of answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from a2r.answers.argument_types import check_answer, check_answers, check_options
from a2r.answers.equivalence.worker_forms import ComparedForm, Comparer
from a2r.answers.sandbox.threads import run_in_thread
from a2r.answers.settings import DEFAULTS, Settings
from a2r.answers.types import Answer, Kind, validate_kind


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Whether two answers are the same; `undecided` if the time limit decided that."""

    same: bool
    undecided: bool


@dataclass(frozen=True, kw_only=True)
class Partition:
    """Groups of positions, each ascending, and the positions that are undecided."""

    groups: list[list[int]]
    undecided: frozenset[int]


def equivalent(
    a: Answer | str,
    b: Answer | str,
    kind: Kind = "auto",
    settings: Settings = DEFAULTS,
    *,
    question: str | None = None,
) -> bool:
    """Whether two answers are the same; answers that are undecided in time are different.

    The relation is reflexive, symmetric and, among the answers of one `cluster`, transitive. The
    question decides whether pairs such as (1, 2) are points or intervals. Blocks for at most about
    `settings.cluster_seconds` once the worker processes have started; use `aequivalent` in async
    code.

    Raises:
        ArgumentTypeError: an argument has another type.
        UnknownKindError: `kind` is not one of the kinds.
    """
    return compare(a, b, kind, settings, question=question).same


def compare(
    a: Answer | str,
    b: Answer | str,
    kind: Kind = "auto",
    settings: Settings = DEFAULTS,
    *,
    question: str | None = None,
) -> Comparison:
    """Compare two answers as `equivalent` does, and report whether that was decided in time.

    Raises:
        ArgumentTypeError: an argument has another type.
        UnknownKindError: `kind` is not one of the kinds.
    """
    check_answer(a, "a")
    check_answer(b, "b")
    classes = partition([a, b], kind, settings, question=question)
    return Comparison(same=len(classes.groups) == 1, undecided=bool(classes.undecided))


async def aequivalent(
    a: Answer | str,
    b: Answer | str,
    kind: Kind = "auto",
    settings: Settings = DEFAULTS,
    *,
    question: str | None = None,
) -> bool:
    """Compare two answers without blocking the event loop; see `equivalent`."""
    return await run_in_thread(equivalent, a, b, kind, settings, question=question)


def partition(
    answers: Sequence[Answer | str | None],
    kind: Kind = "auto",
    settings: Settings = DEFAULTS,
    *,
    question: str | None = None,
    seconds_left: float | None = None,
) -> Partition:
    """Partition answers into equivalence classes; `None` is in no class.

    The order of the answers only changes the order of the groups.

    Raises:
        ArgumentTypeError: an argument has another type.
        UnknownKindError: `kind` is not one of the kinds.
    """
    validate_kind(kind)
    check_answers(answers)
    check_options(settings, question)
    positions: dict[tuple[str, Kind], list[int]] = {}
    for position, answer in enumerate(answers):
        if answer is not None:
            positions.setdefault(_text_and_kind(answer, kind), []).append(position)
    groups: list[list[int]] = []
    undecided: set[int] = set()
    for group_kind in sorted({answer_kind for _, answer_kind in positions}):
        texts = sorted(text for text, answer_kind in positions if answer_kind == group_kind)
        for forms in _classes(Comparer(group_kind, settings, question, seconds_left), texts):
            group = sorted(p for form in forms for p in positions[form.text, group_kind])
            groups.append(group)
            if any(form.undecided for form in forms):
                undecided |= set(group)
    return Partition(groups=groups, undecided=frozenset(undecided if len(groups) > 1 else ()))


def _text_and_kind(answer: Answer | str, kind: Kind) -> tuple[str, Kind]:
    text = answer.text if isinstance(answer, Answer) else answer
    answer_kind = answer.kind if isinstance(answer, Answer) else kind
    return text, "math" if answer_kind in ("auto", "text") else answer_kind


def _classes(comparer: Comparer, texts: list[str]) -> list[list[ComparedForm]]:
    """Forms with equal keys, merged where math-verify accepts a form that is unparsed."""
    classes: dict[str, list[ComparedForm]] = {}
    for form in _mark_unconfirmed(comparer.forms(texts)):
        classes.setdefault(form.key, []).append(form)
    keys = sorted(classes)
    parents = {key: key for key in keys}
    decided: dict[str, bool] = {}
    unparsed = [key for key in keys if classes[key][0].unparsed]
    for first, second in sorted({(min(a, b), max(a, b)) for a in unparsed for b in keys if a != b}):
        same = comparer.verify_both_orders(classes[first][0], classes[second][0])
        for key in (first, second):
            decided[key] = decided.get(key, True) and same is not None
        if same:
            _union(parents, first, second)
    merged: dict[str, list[ComparedForm]] = {}
    for key in keys:
        forms = _mark_undecided(classes[key], decided.get(key))
        merged.setdefault(_find(parents, key), []).extend(forms)
    return list(merged.values())


def _mark_unconfirmed(forms: list[ComparedForm]) -> list[ComparedForm]:
    """The forms, undecided where another one has the same values at points but another key."""
    keys: dict[str, set[str]] = {}
    for form in forms:
        keys.setdefault(form.estimate or form.key, set()).add(form.key)
    return [
        replace(form, undecided=form.undecided or len(keys[form.estimate or form.key]) > 1)
        for form in forms
    ]


def _mark_undecided(forms: list[ComparedForm], decided: bool | None) -> list[ComparedForm]:
    """The forms with `undecided` updated; `decided` is `None` if math-verify did not run."""
    if decided is None:
        return forms
    return [
        replace(form, undecided=not decided if form.unparsed else form.undecided, unparsed=False)
        for form in forms
    ]


def _union(parents: dict[str, str], first: str, second: str) -> None:
    a, b = sorted((_find(parents, first), _find(parents, second)))
    parents[b] = a


def _find(parents: dict[str, str], key: str) -> str:
    while parents[key] != key:
        key = parents[key]
    return key
