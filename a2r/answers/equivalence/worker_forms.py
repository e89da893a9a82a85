"""Canonical forms of many answers at once, with values from workers, within a time limit."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from a2r.answers.equivalence.canonical_form import (
    PendingValue,
    canonical_form,
    prepare_term,
    unit_powers,
)
from a2r.answers.equivalence.pairs import asks_for_interval, resolve_pairs
from a2r.answers.parsing.answer_parser import parse_answer
from a2r.answers.parsing.expression import Term, free_symbols, number, term_key, term_to_json
from a2r.answers.parsing.known_functions import FUNCTIONS, GREEK
from a2r.answers.parsing.literals import literal_form
from a2r.answers.parsing.units import base_units
from a2r.answers.sandbox.behavior import passes_all_tests
from a2r.answers.sandbox.worker_pool import CLOCK_FACTOR, WorkerPool, get_worker_pool
from a2r.answers.settings import Settings
from a2r.answers.types import Kind

MAX_LATEX_CHARACTERS, MAX_LATEX_DEPTH, MAX_OPERATORS, MAX_BARS = 600, 12, 4, 8
# What the parser of the workers misreads: indexed names, and integrals without limits.
INDEXED = re.compile(r"(?<![A-Za-z\\])[A-Za-z]\s*_")
INDEFINITE = re.compile(r"\\i*int(?![A-Za-z])(?!\s*+(?:\\limits)?\s*+_)")
INTEGRAL, DIFFERENTIAL = re.compile(r"\\i*int(?![A-Za-z])"), re.compile(r"d\s*[a-zA-Z]")
OPERATOR = re.compile(r"\\(?:i*int|oint|sum|prod|lim)(?![A-Za-z])")
COMMAND = re.compile(r"\\([A-Za-z]+)")
COMMAND_NAMES = (
    "int iint iiint oint sum prod lim to infty frac sqrt cdot times pi le ge rightarrow e binom log"
    " ln exp lfloor rfloor lceil rceil lvert rvert mathrm"
)
KNOWN_COMMANDS = frozenset(FUNCTIONS) | GREEK | frozenset(COMMAND_NAMES.split())
PLAIN_NUMBER = re.compile(r"\$?(-?[1-9]\d{0,2}(?:,\d{3}){1,99}|-?\d{1,300})(\.\d{1,300})?\$?")


@dataclass(frozen=True, kw_only=True)
class ComparedForm:
    """The canonical string of an answer; `undecided` if a part of it has no value in time.

    `estimate` is the string with values at points instead of exact forms: answers with the same
    one are equal or undecided.
    """

    text: str
    key: str
    estimate: str = ""
    undecided: bool = False
    unparsed: bool = False


@dataclass(frozen=True, kw_only=True)
class WorkerValue:
    """The reply of a worker: the value, or `None`; `valueless` if there is no value to compute.

    `estimate` is the fingerprint of an expression with breaks, whose value is an exact form.
    """

    text: str | None
    estimate: str | None = None
    valueless: bool = False


class Comparer:
    """Compares answers of one kind with each other; caches the values of their expressions."""

    def __init__(
        self,
        kind: Kind,
        settings: Settings,
        question: str | None = None,
        seconds_left: float | None = None,
    ) -> None:
        self.kind = kind
        self.deadline = None if seconds_left is None else time.monotonic() + seconds_left
        self.settings = settings
        self.question = question or ""
        self.pairs_are_intervals = (
            asks_for_interval(question)
            if settings.pairs == "auto"
            else settings.pairs == "interval"
        )
        self.seconds_left = settings.cluster_seconds
        self.values: dict[str, WorkerValue] = {}

    def forms(self, texts: Sequence[str]) -> list[ComparedForm]:
        """The forms of the texts; equal keys mean equivalent answers."""
        if self.kind == "choice":
            return [ComparedForm(text=text, key=literal_form(text, self.kind)) for text in texts]
        if self.kind == "json":
            return [ComparedForm(text=text, key=self._json_key(text)) for text in texts]
        if self.kind == "code":
            return self._program_forms(texts)
        numbers = [_plain_number(text) for text in texts]
        if self.settings.digits is None and all(numbers):
            return [ComparedForm(text=t, key=k) for t, k in zip(texts, numbers, strict=True) if k]
        terms = self._terms(texts)
        if len(terms) > 1 and len({canonical_form(term, uncomputed_key) for term in terms}) > 1:
            self._evaluate(terms)
        return [self._form(text, term) for text, term in zip(texts, terms, strict=True)]

    def _program_forms(self, texts: Sequence[str]) -> list[ComparedForm]:
        """The forms of programs; workers parse them where they are written differently."""
        if len({text.strip("\n") for text in texts}) == 1:
            return [ComparedForm(text=text, key="code") for text in texts]
        written = [literal_form(text, "code") for text in texts]
        forms = []
        for text, key in zip(texts, written, strict=True):
            passes = self._passes_tests(text)
            if passes:
                forms.append(ComparedForm(text=text, key="code that passes all tests"))
                continue
            value = self._run_in_worker({"task": "program", "text": text}).text
            forms.append(ComparedForm(text=text, key=value or key, undecided=value is None))
        return forms

    def _passes_tests(self, program: str) -> bool | None:
        """Whether a program passes the question's tests; `None` if they are not run."""
        if self.settings.code != "behaviour":
            return None
        return passes_all_tests(program, self.question, self.settings)

    def _json_key(self, text: str) -> str:
        """The key of a JSON document; workers read what only resembles JSON."""
        key = literal_form(text, "json")
        if not key.startswith("text") or not text.lstrip().startswith(("{", "[")):
            return key
        repaired = self._run_in_worker({"task": "json", "text": text}).text
        return key if repaired is None else literal_form(repaired, "json")

    def keys(self, terms: Sequence[Term]) -> list[str]:
        """The canonical strings of prepared terms."""
        self._evaluate(terms)
        return [self._form("", term).key for term in terms]

    def verify_answer(self, gold: str, answer: str) -> bool:
        """Whether math-verify accepts an answer for the gold answer."""
        request = {"task": "verify", "gold": gold, "answer": answer, "strict": False}
        return self._run_in_worker(request).text == "same"

    def _terms(self, texts: Sequence[str]) -> list[Term]:
        terms = resolve_pairs(
            [parse_answer(text) for text in texts], interval=self.pairs_are_intervals
        )
        if self.settings.percent == "number":
            terms = [_without_percent(term) for term in terms]
        if self.settings.units == "shared":
            terms = _without_shared_unit(terms)
        return [prepare_term(term) for term in terms]

    def _evaluate(self, terms: Sequence[Term]) -> None:
        """Let the workers compute all missing values, simple ones first, in a fixed order."""
        pending: dict[str, PendingValue] = {}
        for term in terms:
            canonical_form(term, lambda value: pending.setdefault(value.name, value).name)
        missing = (
            name
            for name, value in pending.items()
            if value.mode != "exact" and name not in self.values
        )
        names = sorted(missing, key=lambda name: (len(name), name))
        if len(names) < 2:
            values = [self._value(pending[name]) for name in names]
        else:
            with ThreadPoolExecutor(max_workers=self.settings.workers) as threads:
                values = list(threads.map(lambda name: self._value(pending[name]), names))
        self.values.update(zip(names, values, strict=True))

    def _value(self, pending: PendingValue) -> WorkerValue:
        if pending.mode == "latex":
            if not is_evaluable_latex(pending.term.value):
                return WorkerValue(text=None)
            return self._run_in_worker({"task": "latex", "text": pending.term.value})
        return self._run_in_worker({"task": pending.mode, "term": term_to_json(pending.term)})

    def _run_in_worker(self, request: dict[str, Any]) -> WorkerValue:
        """Run a request in a worker; its time counts towards the limit of the clustering."""
        # math-verify parses and compares two texts.
        factor = 2 if request["task"] == "verify" else 1
        left = None if self.deadline is None else self.deadline - time.monotonic()
        limit = min(factor * self.settings.compare_seconds, self.seconds_left)
        if left is not None:
            limit = min(limit, left / CLOCK_FACTOR)
        used = self.settings.cluster_seconds - self.seconds_left
        reply = self.workers.run(request, limit, used=used, wait=left)
        self.seconds_left -= reply["seconds"] / self.settings.workers
        return WorkerValue(
            text=reply.get("value"),
            estimate=reply.get("estimate"),
            valueless=reply.get("valueless", False),
        )

    @property
    def workers(self) -> WorkerPool:
        """The pool of worker processes for the settings."""
        return get_worker_pool(self.settings)

    def _form(self, text: str, term: Term) -> ComparedForm:
        missing: list[PendingValue] = []

        def value_key(pending: PendingValue) -> str:
            if pending.mode == "exact":
                return rounded_key(f"q{pending.term.value}", self.settings.digits)
            value = self.values.get(pending.name, WorkerValue(text=None)).text
            if value is None:
                missing.append(pending)
                return structural_key(pending.term)
            return rounded_key(value, self.settings.digits)

        def estimate_key(pending: PendingValue) -> str:
            estimate = self.values.get(pending.name, WorkerValue(text=None)).estimate
            return value_key(pending) if estimate is None else estimate

        key = canonical_form(term, value_key)
        attempted = [pending for pending in missing if pending.name in self.values]
        return ComparedForm(
            text=text,
            key=key,
            estimate=canonical_form(term, estimate_key),
            undecided=bool(attempted),
            unparsed=term.head == "opaque"
            and any(self.values[w.name].valueless for w in attempted),
        )

    def verify_both_orders(self, first: ComparedForm, second: ComparedForm) -> bool | None:
        """Whether math-verify accepts two answers in both orders; `None` if undecided in time."""
        gold, answer = sorted((first.text, second.text))
        request = {"task": "verify", "gold": gold, "answer": answer, "strict": True}
        value = self._run_in_worker(request).text
        return None if value is None else value == "same"


def uncomputed_key(pending: PendingValue) -> str:
    """The key of an expression without its value: a number by its value, others as written."""
    return f"q{pending.term.value}" if pending.mode == "exact" else structural_key(pending.term)


def _plain_number(text: str) -> str | None:
    match = PLAIN_NUMBER.fullmatch(text.strip()) if len(text) < MAX_LATEX_CHARACTERS else None
    if match is None:
        return None
    return "q" + number(Fraction(match[1].replace(",", "") + (match[2] or ""))).value


def _without_percent(term: Term) -> Term:
    if term.head == "percent":
        return term.args[0]
    return Term(term.head, tuple(_without_percent(arg) for arg in term.args), term.value)


def _without_shared_unit(terms: list[Term]) -> list[Term]:
    """The terms without their unit, if all terms that have a unit have the same one."""
    units = {_unit(term) for term in terms} - {""}
    if len(units) != 1 or _letters(terms) & {s for term in terms for s in free_symbols(term)}:
        return terms
    if units == {"%"} and _as_fractions(terms):
        return terms
    return [_without_unit(term) for term in terms]


def _letters(terms: list[Term]) -> set[str]:
    """The letters of units, which are variables if another answer has them as symbols."""
    units = [_assigned_value(term).value for term in terms if _unit(term)]
    return {unit.removesuffix("^1") for unit in units}


def _unit(term: Term) -> str:
    term = _assigned_value(term)
    if term.head == "percent":
        return "%"
    if term.head != "quantity":
        return ""
    unit = base_units(unit_powers(term.value))
    return f"{number(unit.factor).value} {unit.base}" if unit.base else ""


def _without_unit(term: Term) -> Term:
    inner = _assigned_value(term)
    return inner.args[0] if _unit(inner) else term


def _assigned_value(term: Term) -> Term:
    return term.args[0] if term.head == "assign" else term


def _as_fractions(terms: list[Term]) -> bool:
    """Whether a percentage is also among the terms as a fraction."""
    numbers = {prepare_term(term) for term in terms if not _unit(term)}
    return any(prepare_term(term) in numbers for term in terms if _unit(term))


def is_evaluable_latex(latex: str) -> bool:
    """Whether LaTeX is an integral, sum, product or limit, and short and flat enough to parse.

    The parser reads unknown commands as products of names, so other LaTeX is compared as it is
    written.
    """
    depth = max_depth = 0
    for character in latex:
        depth += (character == "{") - (character == "}")
        max_depth = max(max_depth, depth)
    return (
        all(command in KNOWN_COMMANDS for command in COMMAND.findall(latex))
        and OPERATOR.search(latex) is not None
        and not INDEXED.search(latex)
        and not INDEFINITE.search(latex)
        and len(INTEGRAL.findall(latex)) <= len(DIFFERENTIAL.findall(latex))
        and len(latex) <= MAX_LATEX_CHARACTERS
        and max_depth <= MAX_LATEX_DEPTH
        and latex.count("|") <= MAX_BARS
        and len(OPERATOR.findall(latex)) <= MAX_OPERATORS
    )


def structural_key(term: Term) -> str:
    """The key of a value that is not computed: the expression itself."""
    return f"x{term_key(term)}"


def rounded_key(value: str, digits: int | None) -> str:
    """A real value rounded to significant digits; other values, or without digits, unchanged."""
    if digits is None:
        return value
    context = Context(prec=digits)
    try:
        if value.startswith("q") and "+i" not in value:
            top, _, bottom = value[1:].partition("/")
            precise = Context(prec=digits + 30)
            number = precise.divide(Decimal(int(top, 16)), Decimal(int(bottom or "1", 16)))
        else:
            number = Decimal(value)
        return f"r{context.normalize(context.plus(number))}"
    except (InvalidOperation, ValueError):
        return value
