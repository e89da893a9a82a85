"""Exact arithmetic on syntax trees, and a fixed order of the terms of sums and products."""

from __future__ import annotations

import math
from fractions import Fraction

from a2r.answers.parsing.expression import Term, call, number, term_key

MAX_BITS = 60_000
MAX_FACTORIAL = 2000
ZERO = number(0)
# Factors that do not commute.
ORDERED = frozenset({"matrix", "tuple", "cross", "interval", "set"})


def simplify(term: Term) -> Term:
    """The term with rational parts computed exactly, and sums and products flat and sorted.

    Results of more than 60,000 bits are not computed.
    """
    args = tuple(simplify(arg) for arg in term.args)
    match term.head:
        case "sum":
            return _sum(args)
        case "product":
            return _product(args)
        case "power":
            return _power(*args)
        case "call":
            return _call(term.value, args)
        case "decimal":
            return args[0]
        case "percent":
            return _product((args[0], number(Fraction(1, 100))))
    return Term(term.head, args, term.value) if args else term


def _flat(head: str, args: tuple[Term, ...]) -> list[Term]:
    flat: list[Term] = []
    for arg in args:
        flat += arg.args if arg.head == head else (arg,)
    return flat


def _sum(args: tuple[Term, ...]) -> Term:
    flat = _flat("sum", args)
    total = Fraction(0)
    rest: list[Term] = []
    for arg in flat:
        if arg.head == "number" and _bits(total) < MAX_BITS:
            total += arg.rational
        else:
            rest.append(arg)
    rest = _collected(rest)
    rest.sort(key=term_key)
    if total or not rest:
        rest.append(number(total))
    return rest[0] if len(rest) == 1 else Term("sum", tuple(rest))


def _collected(terms: list[Term]) -> list[Term]:
    """The terms of a sum with like terms added: 3h for h + 2h."""
    coefficients: dict[Term, Fraction] = {}
    for term in terms:
        factor, rest = _coefficient(term)
        coefficients[rest] = coefficients.get(rest, Fraction(0)) + factor
    if len(coefficients) == len(terms):
        return terms
    return [
        rest if factor == 1 else _product((number(factor), rest))
        for rest, factor in coefficients.items()
        if factor or rest.value == "oo"
    ]


def _coefficient(term: Term) -> tuple[Fraction, Term]:
    if term.head != "product" or term.args[0].head != "number":
        return Fraction(1), term
    rest = term.args[1:]
    return term.args[0].rational, rest[0] if len(rest) == 1 else Term("product", rest)


def _product(args: tuple[Term, ...]) -> Term:
    flat = _flat("product", args)
    total = Fraction(1)
    rest: list[Term] = []
    for arg in flat:
        if arg.head == "number" and _bits(total) < MAX_BITS:
            total *= arg.rational
        else:
            rest.append(arg)
    if not any(arg.head in ORDERED for arg in rest):
        rest.sort(key=term_key)
    if total == 0 and not any(arg.value == "oo" for arg in rest):
        return ZERO
    if total != 1 or not rest:
        rest.insert(0, number(total))
    return rest[0] if len(rest) == 1 else Term("product", tuple(rest))


def _power(base: Term, exponent: Term) -> Term:
    if exponent.head != "number":
        return Term("power", (base, exponent))
    power = exponent.rational
    if power == 1:
        return base
    if base.head == "number":
        exact = _exact_power(base.rational, power)
        if exact is not None:
            return number(exact)
    if base.head == "power" and power.denominator == 1 and base.args[1].head == "number":
        return _power(base.args[0], number(base.args[1].rational * power))
    return Term("power", (base, exponent))


def _exact_power(base: Fraction, power: Fraction) -> Fraction | None:
    if base == 0:
        return Fraction(0) if power > 0 else None
    if power.denominator != 1:
        root = _exact_root(base, power.denominator)
        return None if root is None else _exact_power(root, Fraction(power.numerator))
    if abs(power) * _bits(base) > MAX_BITS:
        return None
    return base ** int(power)


def _exact_root(value: Fraction, degree: int) -> Fraction | None:
    if degree > 64 or (value < 0 and degree % 2 == 0):
        return None
    top, bottom = (_integer_root(abs(n), degree) for n in (value.numerator, value.denominator))
    if top is None or bottom is None:
        return None
    return Fraction(top, bottom) * (-1 if value < 0 else 1)


def _integer_root(value: int, degree: int) -> int | None:
    """The exact integer root by Newton's method, or `None` if there is none."""
    if degree == 2:
        root = math.isqrt(value)
        return root if root * root == value else None
    guess = 1 << -(-value.bit_length() // degree)
    while True:
        next_guess = ((degree - 1) * guess + value // guess ** (degree - 1)) // degree
        if next_guess >= guess:
            return guess if guess**degree == value else None
        guess = next_guess


def _call(name: str, args: tuple[Term, ...]) -> Term:
    if args and all(arg.head == "number" for arg in args):
        exact = _exact_call(name, [arg.rational for arg in args])
        if exact is not None:
            return number(exact)
    return call(name, *args)


def _exact_call(name: str, values: list[Fraction]) -> Fraction | None:
    first = values[0]
    integers = all(value.denominator == 1 for value in values)
    match name:
        case "abs" | "norm":
            return abs(first) if len(values) == 1 else None
        case "floor":
            return Fraction(math.floor(first))
        case "ceil":
            return Fraction(math.ceil(first))
        case "max":
            return max(values)
        case "min":
            return min(values)
        case "gcd" if integers:
            return Fraction(math.gcd(*(int(value) for value in values)))
        case "mod" if len(values) == 2 and values[1] > 0:
            return values[0] % values[1]
        case "lcm" if integers:
            return Fraction(math.lcm(*(int(value) for value in values)))
        case "factorial" if integers and 0 <= first <= MAX_FACTORIAL:
            return Fraction(math.factorial(int(first)))
        case "factorial2" if integers and 0 <= first <= MAX_FACTORIAL:
            return Fraction(math.prod(range(int(first), 0, -2)))
        case "binomial" if integers and 0 <= values[1] <= first <= MAX_FACTORIAL:
            return Fraction(math.comb(int(first), int(values[1])))
    return None


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def linear_coefficients(term: Term) -> tuple[str, Fraction, Fraction] | None:
    """Name, slope and constant of a simplified expression that is linear in one variable."""
    match term.head:
        case "symbol":
            return term.value, Fraction(1), Fraction(0)
        case "number":
            return "", Fraction(0), term.rational
        case "product" if len(term.args) == 2 and term.args[0].head == "number":
            inner = linear_coefficients(term.args[1])
            factor = term.args[0].rational
            return None if inner is None else (inner[0], inner[1] * factor, inner[2] * factor)
        case "sum":
            parts = [linear_coefficients(arg) for arg in term.args]
            known = [part for part in parts if part is not None]
            names = {name for name, _, _ in known if name}
            if len(known) < len(parts) or len(names) != 1:
                return None
            return (
                names.pop(),
                sum((slope for _, slope, _ in known), Fraction(0)),
                sum((shift for _, _, shift in known), Fraction(0)),
            )
    return None
