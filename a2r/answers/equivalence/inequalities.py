"""Solutions of inequalities in one variable: linear ones, quadratics, and absolute values."""

from __future__ import annotations

import math
from fractions import Fraction

from a2r.answers.equivalence.simplify import linear_coefficients
from a2r.answers.parsing.expression import Term, constant, negative, number
from a2r.answers.parsing.relations import make_interval

INFINITY = constant("oo")
REALS = Term("interval", (negative(INFINITY), INFINITY), "()")


def solve_inequality(term: Term) -> Term | None:
    """The solutions of `0 < p` or `0 <= p` with rational ends; `None` if it is not solved.

    The expression p is linear, quadratic, or linear in one absolute value of a linear expression.
    """
    strict = term.value == "<"
    linear = linear_coefficients(term.args[0])
    if linear is not None:
        name, slope, shift = linear
        return _half_line(slope, shift, strict) if name and slope else None
    return _absolute(term.args[0], strict) or _quadratic(term.args[0], strict)


def _half_line(slope: Fraction, shift: Fraction, strict: bool) -> Term:
    bound = number(-shift / slope)
    if slope > 0:
        return make_interval(bound, INFINITY, "()" if strict else "[)")
    return make_interval(negative(INFINITY), bound, "()" if strict else "(]")


def _parts(term: Term) -> tuple[list[tuple[Fraction, Term]], Fraction]:
    """The other terms of a sum with their coefficients, and its constant."""
    terms, shift = [], Fraction(0)
    for part in term.args if term.head == "sum" else (term,):
        if part.head == "number":
            shift += part.rational
        elif part.head == "product" and part.args[0].head == "number" and len(part.args) == 2:
            terms.append((part.args[0].rational, part.args[1]))
        else:
            terms.append((Fraction(1), part))
    return terms, shift


def _absolute(term: Term, strict: bool) -> Term | None:
    """Solve `0 < shift + factor |slope x + offset|`."""
    terms, shift = _parts(term)
    if len(terms) != 1 or terms[0][1].head != "call" or terms[0][1].value != "abs":
        return None
    factor, inner = terms[0][0], linear_coefficients(terms[0][1].args[0])
    radius = -shift / factor
    if inner is None or not inner[0] or not inner[1] or radius <= 0:
        return None
    _, slope, offset = inner
    ends = sorted(((-offset - radius) / slope, (-offset + radius) / slope))
    return _between(ends, strict) if factor < 0 else _outside(ends, strict)


def _quadratic(term: Term, strict: bool) -> Term | None:
    """Solve `0 < a x^2 + b x + c` with rational zeros."""
    terms, c = _parts(term)
    coefficients = {1: Fraction(0), 2: Fraction(0)}
    names = set()
    for factor, part in terms:
        base, exponent = (part.args[0], part.args[1]) if part.head == "power" else (part, number(1))
        power = exponent.rational if exponent.head == "number" else None
        if base.head != "symbol" or power not in (1, 2):
            return None
        names.add(base.value)
        coefficients[int(power)] += factor
    a, b = coefficients[2], coefficients[1]
    discriminant = b * b - 4 * a * c
    if len(names) != 1 or not a or discriminant <= 0:
        return None
    root = Fraction(math.isqrt(discriminant.numerator), math.isqrt(discriminant.denominator))
    if root * root != discriminant:
        return None
    ends = sorted(((-b - root) / (2 * a), (-b + root) / (2 * a)))
    return _between(ends, strict) if a < 0 else _outside(ends, strict)


def _between(ends: list[Fraction], strict: bool) -> Term:
    low, high = map(number, ends)
    return make_interval(low, high, "()" if strict else "[]")


def _outside(ends: list[Fraction], strict: bool) -> Term:
    low, high = map(number, ends)
    left = make_interval(negative(INFINITY), low, "()" if strict else "(]")
    right = make_interval(high, INFINITY, "()" if strict else "[)")
    return Term("union", (left, right))
