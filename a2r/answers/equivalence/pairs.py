"""The reading of `(a, b)`, which is a point or an open interval."""

from __future__ import annotations

import re
from collections.abc import Sequence

from a2r.answers.parsing.expression import Term, walk

INTERVAL_HEADS = frozenset({"interval", "union", "inequality", "bounded", "without", "unequal"})


ASKS_FOR_INTERVAL = re.compile(
    r"\b(?:interval|inequalit(?:y|ies)|domain|range of|values of|increasing|decreasing)\b",
    re.IGNORECASE,
)
ASKS_FOR_POINT = re.compile(
    r"\b(?:points?|coordinates?|ordered (?:pairs?|triples?)|vertex|vertices|vectors?)\b",
    re.IGNORECASE,
)


def asks_for_interval(question: str | None) -> bool | None:
    """Whether a question asks for an interval (true) or a point (false); `None` if unclear."""
    if question is None:
        return None
    interval, point = (p.search(question) for p in (ASKS_FOR_INTERVAL, ASKS_FOR_POINT))
    return None if bool(interval) == bool(point) else bool(interval)


def resolve_pairs(terms: Sequence[Term], *, interval: bool | None = None) -> list[Term]:
    """The terms of answers that are compared, with one reading for all of their pairs.

    Pairs are open intervals or points as `interval` says. Where it is `None`, they are intervals
    if other answers are intervals and none is a point with names for its coordinates; otherwise
    points. No pair is both.
    """
    if interval is not None:
        return [_as_interval(term) for term in terms] if interval else list(terms)
    points = any(node.head == "system" for term in terms for node in walk(term))
    intervals = any(_is_interval(term) for term in terms)
    if intervals and not points:
        return [_as_interval(term) for term in terms]
    return list(terms)


def _is_interval(term: Term) -> bool:
    while term.head == "assign":
        term = term.args[0]
    members = term.args if term.head == "set" else (term,)
    return any(member.head in INTERVAL_HEADS for member in members)


def _as_interval(term: Term) -> Term:
    if term.head == "tuple" and len(term.args) == 2:
        return Term("interval", term.args, "()")
    if term.head in ("assign", "union", "without", "intersection"):
        return Term(term.head, tuple(map(_as_interval, term.args)), term.value)
    if term.head == "set" and term.value.startswith("list"):
        members = tuple(map(_as_interval, term.args))
        all_intervals = len(members) > 1 and all(m.head == "interval" for m in members)
        is_union = all_intervals and term.value == "list or"
        return Term("union", members) if is_union else Term("set", members, term.value)
    return term
