"""Comparing answers: canonical forms of many at once, with the workers' help within a time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from a2r.answers.answer import Kind
from a2r.answers.canonical import Open, form, powers_of, prepared
from a2r.answers.fingerprint_key import rounded, structural
from a2r.answers.reading import read
from a2r.answers.settings import Settings
from a2r.answers.syntax import Term, number
from a2r.answers.units import measured
from a2r.answers.verbatim import verbatim_form
from a2r.answers.wire import packed
from a2r.answers.workers import Workers, workers_of

PLAIN_NUMBER = re.compile(r"\s*\$?\s*(-?\d{1,3}(?:,\d{3})+|-?\d{1,300})(\.\d{1,300})?\s*\$?\s*")


@dataclass(frozen=True, kw_only=True)
class Form:
    """The canonical string of an answer; `undecided` if a part of it had no value in time."""

    text: str
    key: str
    undecided: bool = False
    unread: bool = False


class Comparison:
    """Answers of one kind that are to be compared with one another."""

    def __init__(self, kind: Kind, settings: Settings) -> None:
        self.kind = kind
        self.settings = settings
        self.left = settings.cluster_seconds
        self.values: dict[str, str | None] = {}

    def forms(self, texts: Sequence[str]) -> list[Form]:
        """The forms of texts; equal keys mean equivalent answers."""
        if self.kind in ("choice", "json", "code"):
            return [Form(text=text, key=verbatim_form(text, self.kind)) for text in texts]
        quick = [_plain_number(text) for text in texts]
        if self.settings.digits is None and all(quick):
            return [Form(text=t, key=k) for t, k in zip(texts, quick, strict=True) if k]
        terms = self._terms(texts)
        if len(terms) > 1 and len({form(term, structural_value) for term in terms}) > 1:
            self._evaluate(terms)
        return [self._form(text, term) for text, term in zip(texts, terms, strict=True)]

    def keys(self, terms: Sequence[Term]) -> list[str]:
        """The canonical strings of prepared terms."""
        self._evaluate(terms)
        return [self._form("", term).key for term in terms]

    def accepted(self, gold: str, answer: str) -> bool:
        """Whether math-verify takes an answer for the gold, in either order."""
        request = {"do": "verify", "gold": gold, "answer": answer, "strict": False}
        return bool(self._asked(request))

    def _terms(self, texts: Sequence[str]) -> list[Term]:
        terms = [read(text) for text in texts]
        if self.settings.percent == "number":
            terms = [_without_percent(term) for term in terms]
        if self.settings.units == "shared":
            terms = _with_shared_unit(terms)
        return [prepared(term) for term in terms]

    def _evaluate(self, terms: Sequence[Term]) -> None:
        """Ask the workers for every open value, in an order that the samples' does not change."""
        opens: dict[str, Open] = {}
        for term in terms:
            form(term, lambda o: opens.setdefault(o.name, o).name)
        for name in sorted(opens, key=lambda n: (len(n), n)):
            if name not in self.values:
                self.values[name] = self._value(opens[name])

    def _value(self, wanted: Open) -> str | None:
        request: dict[str, Any] = {"do": wanted.mode, "text": wanted.term.value}
        if wanted.mode != "latex":
            request = {"do": wanted.mode, "term": packed(wanted.term)}
        value: str | None = self._asked(request)
        return value

    def _asked(self, request: dict[str, Any]) -> Any:
        """The value that a worker gives, or `None`; its time is charged to the clustering."""
        reply = self.workers.ask(request, min(self.settings.compare_seconds, self.left))
        self.left -= reply["seconds"]
        return reply.get("value")

    @property
    def workers(self) -> Workers:
        """The worker processes of these settings."""
        return workers_of(replace(self.settings, units="strict", percent="fraction", digits=None))

    def _form(self, text: str, term: Term) -> Form:
        missing: list[Open] = []

        def valued(wanted: Open) -> str:
            value = self.values.get(wanted.name)
            if value is None:
                missing.append(wanted)
                return structural(wanted.term)
            return rounded(value, self.settings.digits)

        key = form(term, valued)
        if self.settings.digits is not None and term.head == "number":
            key = rounded(key, self.settings.digits)
        tried = [wanted for wanted in missing if wanted.name in self.values]
        return Form(
            text=text,
            key=key,
            undecided=bool(tried),
            unread=term.head == "opaque" and bool(tried),
        )

    def verified(self, first: Form, second: Form) -> bool | None:
        """What math-verify says of two answers in both orders; `None` if not in time."""
        gold, answer = sorted((first.text, second.text))
        request = {"do": "verify", "gold": gold, "answer": answer, "strict": True}
        value = self._asked(request)
        return None if value is None else bool(value)


def structural_value(wanted: Open) -> str:
    """An open expression taken as it is written."""
    return structural(wanted.term)


def _plain_number(text: str) -> str | None:
    match = PLAIN_NUMBER.fullmatch(text)
    if match is None:
        return None
    return "q" + number(Fraction(match[1].replace(",", "") + (match[2] or ""))).value


def _without_percent(term: Term) -> Term:
    if term.head == "percent":
        return term.args[0]
    return Term(term.head, tuple(_without_percent(arg) for arg in term.args), term.value)


def _with_shared_unit(terms: list[Term]) -> list[Term]:
    """The terms without their unit, if all that have one have the same."""
    units = {_unit(term) for term in terms} - {""}
    if len(units) != 1:
        return terms
    if units == {"%"} and _as_fractions(terms):
        return terms
    return [_bare(term) for term in terms]


def _unit(term: Term) -> str:
    term = _value_of(term)
    if term.head == "percent":
        return "%"
    if term.head != "quantity":
        return ""
    unit = measured(powers_of(term.value))
    return f"{unit.factor} {unit.base}" if unit.base else ""


def _bare(term: Term) -> Term:
    inner = _value_of(term)
    return inner.args[0] if _unit(inner) else term


def _value_of(term: Term) -> Term:
    return term.args[0] if term.head == "assign" else term


def _as_fractions(terms: list[Term]) -> bool:
    """Whether a percentage also stands there as the fraction that it is."""
    bare = {prepared(term) for term in terms if not _unit(term)}
    return any(prepared(term) in bare for term in terms if _unit(term))
