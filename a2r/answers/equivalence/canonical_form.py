"""Canonical forms: one string for each class of equivalent answers.

A form is built in two steps. `prepare_term` applies structural rules and exact arithmetic.
`canonical_form` writes the string, and looks up the values of the expressions that workers
evaluate (`a2r.answers.sandbox.numeric_fingerprint`): those with roots, functions and variables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from a2r.answers.equivalence.inequalities import solve_inequality
from a2r.answers.equivalence.matrices import evaluate_matrices
from a2r.answers.equivalence.real_sets import normal_real_set
from a2r.answers.equivalence.simplify import linear_coefficients, simplify
from a2r.answers.parsing.answer_grammar import apply_sign
from a2r.answers.parsing.expression import (
    Term,
    constant,
    contains,
    negative,
    number,
    symbol,
    term_key,
)
from a2r.answers.parsing.relations import is_point, is_solved, list_term, system_values
from a2r.answers.parsing.units import LONE_LETTERS, base_units

Mode = Literal["value", "zero", "sign", "latex", "exact"]
REALS = symbol("numbers R")
STRUCTURES = frozenset(
    {"cross", "tuple", "set", "matrix", "quantity", "text", "opaque", "relation", "interval"}
    | {"time", "mod"}
)
SETS = frozenset({"interval", "union", "without", "intersection"})


@dataclass(frozen=True, kw_only=True)
class PendingValue:
    """An expression whose value completes a canonical string, and how it is evaluated.

    Modes: `value`, its value; `zero`, up to a constant factor, for equations; `sign`, up to a
    positive factor, for inequalities; `latex`, LaTeX outside the answer grammar; `exact`, a
    number that needs no worker but may be rounded.
    """

    mode: Mode
    term: Term

    @property
    def name(self) -> str:
        """A string that is equal for equal modes and expressions."""
        return f"{self.mode} {term_key(self.term)}"


ValueKey = Callable[[PendingValue], str]


def prepare_term(term: Term) -> Term:
    """The term in a normal structure: signs expanded, names removed, numbers computed."""
    if term.head == "assign":
        return prepare_term(term.args[0])
    if term.head == "system":
        if is_point(term):
            return prepare_term(Term("tuple", system_values(term)))
        named = (Term("named", part.args, part.value) for part in term.args)
        return prepare_term(list_term(named))
    if contains(term, "pm", "mp"):
        return prepare_term(_both_signs(term))
    term = simplify(evaluate_matrices(term))
    if term.head == "unequal":
        term = _all_but_one(term)
    if term.head == "intersection":
        # Bounds without a common part, such as x < 1 and x > 2, rather mean a union.
        common = normal_real_set(Term("intersection", tuple(map(prepare_term, term.args))))
        return common if common is not None and common.args else list_term(term.args)
    if term.head in SETS or term == REALS:
        term = Term(term.head, tuple(map(_solved, term.args)), term.value)
        return normal_real_set(term) or term
    if term.head == "inequality":
        solved = solve_inequality(term)
        return term if solved is None else normal_real_set(solved) or solved
    return term


def canonical_form(term: Term, value_key: ValueKey) -> str:
    """The canonical string of a prepared term; `value_key` returns the strings of its values."""
    match term.head:
        case "number":
            return value_key(PendingValue(mode="exact", term=term))
        case "set":
            members = sorted(canonical_form(_prepared(arg), value_key) for arg in term.args)
            if term.value == "list or" and not all(map(is_solved, term.args)):
                return f"or({','.join(sorted(set(members)))})"
            distinct = sorted(set(members))
            if term.value.startswith("list") and distinct != members:
                return f"list({','.join(members)})"
            return f"{{{','.join(distinct)}}}"
        case "tuple" | "row" | "matrix" | "cross":
            return f"{term.head}({_joined_forms(term.args, value_key)})"
        case "interval":
            ends = ",".join(canonical_form(arg, value_key) for arg in term.args)
            return f"interval {term.value[0]}{ends}{term.value[1]}"
        case "union" | "intersection":
            members = sorted(canonical_form(_prepared(arg), value_key) for arg in term.args)
            return f"{term.head}({','.join(members)})"
        case "quantity":
            return _quantity(term, value_key)
        case "quantities":
            return _quantities(term, value_key)
        case "congruence":
            return f"congruence({_joined_forms(term.args, value_key)})"
        case "named":
            return f"named {term.value}({canonical_form(_prepared(term.args[0]), value_key)})"
        case "ratio":
            return _ratio(term, value_key)
        case "mod":
            return _mod(term, value_key)
        case "equation" | "unequal":
            return f"{term.head}({value_key(PendingValue(mode='zero', term=term.args[0]))})"
        case "inequality":
            return f"0{term.value}({value_key(PendingValue(mode='sign', term=term.args[0]))})"
        case "relation" | "bounded" | "without":
            return f"{term.head} {term.value}({_joined_forms(term.args, value_key)})"
        case "based" | "date" | "time" | "text" | "range":
            return f"{term.head} {term.value}"
        case "opaque":
            return value_key(PendingValue(mode="latex", term=term))
    return _scalar(term, value_key)


def _joined_forms(terms: Sequence[Term], value_key: ValueKey) -> str:
    return ",".join(canonical_form(_prepared(term), value_key) for term in terms)


def _prepared(term: Term) -> Term:
    return prepare_term(term) if term.head in ("assign", "system", *SETS) else term


def _scalar(term: Term, value_key: ValueKey) -> str:
    if term in (constant("oo"), negative(constant("oo"))):
        return "-oo" if term.head == "product" else "oo"
    if term.head == "symbol":
        return f"s{term.value}"
    letter = _unit_letter(term)
    if letter is not None:
        # A number and a letter such as 2V: a product, or a quantity.
        return _quantity(Term("quantity", term.args[:1], f"{letter}^1"), value_key)
    if any(contains(arg, *STRUCTURES) for arg in term.args):
        return f"{term.head} {term.value}({_joined_forms(term.args, value_key)})"
    return value_key(PendingValue(mode="value", term=term))


def _unit_letter(term: Term) -> str | None:
    """The letter of a product of a number and a letter that may be a unit; otherwise `None`."""
    if term.head != "product" or [arg.head for arg in term.args] != ["number", "symbol"]:
        return None
    letter = term.args[1].value
    return letter if letter in LONE_LETTERS else None


def _both_signs(term: Term) -> Term:
    if term.head == "set":
        members = (
            v for a in term.args for v in ((a,) if not contains(a, "pm", "mp") else _signs(a))
        )
        return Term("set", tuple(members), term.value)
    return Term("set", _signs(term))


def _signs(term: Term) -> tuple[Term, Term]:
    return apply_sign(term, +1), apply_sign(term, -1)


def _all_but_one(term: Term) -> Term:
    """`a x + b` unequal to 0 as the real numbers without one of them."""
    linear = linear_coefficients(term.args[0])
    if linear is None or not linear[0] or not linear[1]:
        return term
    return Term("without", (REALS, Term("set", (number(-linear[2] / linear[1]),))))


def _solved(term: Term) -> Term:
    """A member of a set in a normal structure: `x != 2` and `x^2 < 4` as sets of numbers."""
    return prepare_term(term) if term.head in ("unequal", "inequality", *SETS) else term


def _quantity(term: Term, value_key: ValueKey) -> str:
    unit = base_units(unit_powers(term.value))
    value = simplify(Term("product", (term.args[0], number(unit.factor))))
    inner = canonical_form(value, value_key)
    return f"{inner} in {unit.base}" if unit.base else inner


def _quantities(term: Term, value_key: ValueKey) -> str:
    """A sum of quantities such as 1 hour 30 minutes; a list if their base units differ."""
    units = [base_units(unit_powers(part.value)) for part in term.args]
    if len({unit.base for unit in units}) > 1:
        return f"quantities({','.join(canonical_form(part, value_key) for part in term.args)})"
    values = (
        Term("product", (part.args[0], number(unit.factor)))
        for part, unit in zip(term.args, units, strict=True)
    )
    return f"{canonical_form(simplify(Term('sum', tuple(values))), value_key)} in {units[0].base}"


def unit_powers(unit: str) -> list[tuple[str, int]]:
    """The words of a quantity's unit with their powers."""
    pairs = (part.rpartition("^") for part in unit.split("*"))
    return [(word, int(power)) for word, _, power in pairs]


def _ratio(term: Term, value_key: ValueKey) -> str:
    # A score such as 2:0 is not reduced.
    if all(arg.head == "number" and arg.rational for arg in term.args):
        values = [arg.rational for arg in term.args]
        scale = math.lcm(*(value.denominator for value in values))
        integers = [int(value * scale) for value in values]
        common = math.gcd(*integers)
        return "ratio " + ":".join(
            canonical_form(number(value // common), value_key) for value in integers
        )
    return "ratio " + ":".join(canonical_form(arg, value_key) for arg in term.args)


def _mod(term: Term, value_key: ValueKey) -> str:
    value, modulus = term.args
    if value.head == modulus.head == "number" and modulus.rational > 0:
        value = number(value.rational % modulus.rational)
    return f"{canonical_form(value, value_key)} mod {canonical_form(modulus, value_key)}"
