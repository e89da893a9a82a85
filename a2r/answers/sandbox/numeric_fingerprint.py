"""Fingerprints: the value of an expression at fixed points, to 180 digits or more.

Two analytic expressions count as equal if their fingerprints are equal (identity testing at random
points, as in the lemma of Schwartz and Zippel): constants to 180 digits, functions at eight points,
which are positive, negative, large, of mixed signs, and integers. Values may be complex. A
fingerprint is a string, so equality is transitive by construction; rational values are exact
fractions. Expressions with breaks need an exact form as well, see `exact_form`. It runs in a
worker.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import mpmath

from a2r.answers.errors import ImpreciseError, UndecidableError
from a2r.answers.parsing.expression import Term, free_symbols, walk

POINTS = 8
NEGATIVE, INTEGERS, LARGE, MIXED = 2, 3, (4, 5), 6
DIGITS = 180
# Numbers that differ in their last digit differ as arguments of a root in twice as many digits.
GUARD_DIGITS, DIGITS_PER_BIT = 100, 0.302
GUARD_PRECISION, MAX_PRECISION = 30, 4000
MAX_EXPONENT = 10**7
MIN_EXPONENTIAL, MAX_EXPONENTIAL = 50, 3000
HYPERBOLIC = frozenset({"sinh", "cosh", "tanh", "coth", "sech", "csch"})
MAX_DENOMINATOR = 10**9

Value = Any  # a real or complex number of mpmath
Evaluate = Callable[[int], Value]


def fingerprint(term: Term, mode: str) -> str:
    """The fingerprint of a term; up to a factor for the modes `zero` and `sign`.

    Raises:
        UndecidableError: the term is too large, or has functions without numerical values.
    """
    names, digits = free_symbols(term), _digits(term)
    values = evaluate_points(
        lambda point: Evaluation(point).value(term), bool(names), mode, digits=digits
    )
    return next((f"s{name}" for name in names if values == _variable(name, digits)), values)


def _variable(name: str, digits: int) -> str:
    """The values of a variable, which is written by its name alone."""
    with mpmath.workdps(digits + GUARD_PRECISION):
        values = (_mpf(coordinate(name, point)) for point in range(POINTS))
        return "f" + "|".join(significant_digits(value, digits) for value in values)


def _digits(term: Term) -> int:
    """The digits that tell a term from others with numbers of the same size."""
    sizes = [len(node.value) * 4 for node in walk(term) if node.head == "number"]
    digits = max(DIGITS, GUARD_DIGITS + round(2 * DIGITS_PER_BIT * max(sizes, default=0)))
    # exp(-1000) differs from 0 only after hundreds of digits.
    exponents = [abs(n.rational) for n in _inside_exponentials(term) if n.head == "number"]
    largest = max(exponents, default=Fraction(0))
    if largest > MAX_EXPONENTIAL:
        raise UndecidableError("an exponent is too large")
    return digits + (math.ceil(largest) if largest > MIN_EXPONENTIAL else 0)


def _inside_exponentials(term: Term) -> Iterator[Term]:
    """The nodes in exponents of e, and in the arguments of hyperbolic functions."""
    for node in walk(term):
        if node.head == "power" and node.args[0].head == "constant":
            yield from walk(node.args[1])
        if node.head == "call" and node.value in HYPERBOLIC:
            yield from walk(node.args[0])


def evaluate_points(evaluate: Evaluate, varies: bool, mode: str, *, digits: int = DIGITS) -> str:
    """The string of the values of `evaluate` at the points; a single one unless it `varies`.

    Raises:
        UndecidableError: there is no value.
    """
    if mode == "value":
        parts = [_digits_at(evaluate, point, digits) for point in range(POINTS if varies else 1)]
        if set(parts) == {"undefined"}:
            raise UndecidableError("the expression has no value")
        return parts[0] if len(set(parts)) == 1 else "f" + "|".join(parts)
    values = [_value_at(evaluate, point, digits) for point in range(POINTS if varies else 1)]
    scale = next((v for v in values if v is not None and v != 0), None)
    if scale is None:
        return "identity"
    if not varies:
        # An equation without variables, such as 0 = 5, has no solution.
        return f"never {significant_digits(scale, digits)}"
    with mpmath.workdps(digits + GUARD_PRECISION):
        if mode == "sign":
            scale = abs(scale)
        return "f" + "|".join(
            "undefined" if v is None else significant_digits(v / scale, digits, relative=True)
            for v in values
        )


def _digits_at(evaluate: Evaluate, point: int, digits: int) -> str:
    try:
        value = _value_at(evaluate, point, digits)
    except UndecidableError:
        if point not in LARGE:
            raise
        value = None
    return "undefined" if value is None else significant_digits(value, digits)


def _value_at(evaluate: Evaluate, point: int, digits: int) -> Value | None:
    precision = digits + GUARD_PRECISION
    while precision <= MAX_PRECISION:
        with mpmath.workdps(precision):
            try:
                value = mpmath.mpmathify(evaluate(point))
                needed = _digits_before_the_point(value) + digits + GUARD_PRECISION // 2
                if needed <= precision:
                    return value if not _is_tiny(value, digits) else _confirm_tiny(evaluate, point)
                precision = needed + GUARD_PRECISION // 2
            except ImpreciseError as error:
                precision = max(2 * precision, error.digits)
            except UndecidableError:
                # It is a ValueError too, but unlike those of mpmath it is not an undefined value.
                raise
            except (ZeroDivisionError, ValueError, mpmath.libmp.NoConvergence):
                return None
    raise UndecidableError("the value has too many digits")


def _is_tiny(value: Value, digits: int) -> bool:
    return bool(value != 0 and abs(value) < mpmath.mpf(10) ** -digits)


def _confirm_tiny(evaluate: Evaluate, point: int) -> Value:
    """A tiny value at a higher precision; 0 if it shrinks with the precision, as sin(pi) does."""
    first = mpmath.mpmathify(evaluate(point))
    precision = mpmath.mp.dps
    with mpmath.workdps(2 * precision):
        second = mpmath.mpmathify(evaluate(point))
        shrinks = abs(second) < abs(first) * mpmath.mpf(10) ** (-precision // 2)
    return mpmath.mpf(0) if shrinks else second


def _digits_before_the_point(value: Value) -> int:
    size = abs(value)
    if mpmath.isinf(size) or mpmath.isnan(size):
        return 0
    return max(0, int(mpmath.mag(size) * 0.302) + 1) if size else 0


def significant_digits(value: Value, digits: int = DIGITS, *, relative: bool = False) -> str:
    """A number as a string: an exact fraction for a rational number, else so many digits.

    They are digits after the point, or with `relative` all digits.
    """
    if mpmath.isnan(value):
        return "undefined"
    if mpmath.isinf(value):
        return "-oo" if mpmath.re(value) < 0 else "oo"
    real, imaginary = mpmath.re(value), mpmath.im(value)
    tiny = mpmath.mpf(10) ** -digits * max(abs(value), 1)
    if abs(imaginary) < tiny:
        return _real(real, digits, relative)
    real = real if abs(real) >= tiny else mpmath.mpf(0)
    return f"{_real(real, digits, relative)}+i{_real(imaginary, digits, relative)}"


def _real(value: Value, digits: int, relative: bool) -> str:
    if mpmath.isinf(value):
        return "oo" if value > 0 else "-oo"
    size = mpmath.mag(value) if value else 0
    if size < MAX_EXPONENT:
        exact = _rational(value, int(size), digits)
        if exact is not None:
            top = format(exact.numerator, "x")
            return f"q{top}" + (f"/{exact.denominator:x}" if exact.denominator != 1 else "")
    written = digits if relative else digits + _digits_before_the_point(value)
    return str(mpmath.nstr(value, written, strip_zeros=False))


def _rational(value: Value, size: int, digits: int) -> Fraction | None:
    """The fraction with a small denominator that equals the value to so many digits, or `None`."""
    if value == 0:
        return Fraction(0)
    if size < -30:
        return None
    sign, mantissa, exponent, _ = value._mpf_
    exact = Fraction(int(mantissa)) * Fraction(2) ** exponent * (-1 if sign else 1)
    near = exact.limit_denominator(MAX_DENOMINATOR)
    return near if abs(exact - near) < Fraction(1, 10**digits) * max(1, abs(near)) else None


def coordinate(name: str, point: int) -> Fraction:
    """The value of a variable at a point; positive at the first two points."""
    digest = int.from_bytes(hashlib.sha256(f"{point} {name}".encode()).digest()[:6], "big")
    if point == INTEGERS:
        return Fraction(3 + digest % 5)
    if point in LARGE:
        # Larger than the constants of most answers: |x - 10| and x - 10 differ here.
        return Fraction(90_000 + digest % 60_000, 1009) * (1 if point == LARGE[0] else -1)
    size = Fraction(300_000 + digest % 1_400_000, 1_000_003)
    # Neighbors in the alphabet, such as x and y or x and z, differ in one of the last two bits.
    letter = ord(name[-1]) >> max(0, point - MIXED)
    return -size if point == NEGATIVE or (point >= MIXED and letter % 2) else size


class Evaluation:
    """Values of terms at one point, at the current precision of mpmath."""

    def __init__(self, point: int) -> None:
        self.point = point

    def value(self, term: Term) -> Value:
        """The numerical value of a term.

        Raises:
            UndecidableError: the value is too large, or the term has none.
        """
        match term.head:
            case "number":
                return _mpf(term.rational)
            case "symbol":
                return _mpf(coordinate(term.value, self.point))
            case "constant":
                return _constant(term.value)
            case "sum":
                return _sum([self.value(arg) for arg in term.args])
            case "product":
                return mpmath.fprod([self.value(arg) for arg in term.args])
            case "power":
                return self._power(*term.args)
            case "call" if term.value.startswith("function:") or term.value in AMBIGUOUS:
                return self._undefined_function(term)
            case "call":
                return _call(term.value, [self.value(arg) for arg in term.args])
        raise UndecidableError(f"{term.head} has no numerical value")

    def _power(self, base: Term, exponent: Term) -> Value:
        value, power = self.value(base), self.value(exponent)
        if value == 0:
            if mpmath.re(power) < 0:
                raise ZeroDivisionError
            return mpmath.mpf(1) if power == 0 else mpmath.mpf(0)
        if abs(power) * max(1, abs(mpmath.mag(value))) > MAX_EXPONENT:
            raise UndecidableError("a power is too large")
        if exponent.head == "number":
            fraction = exponent.rational
            if fraction.denominator == 1:
                return value ** int(fraction)
            if fraction.denominator % 2 and _is_real(value) and mpmath.re(value) < 0:
                # Odd roots of negative numbers are real, as taught in schools.
                size = mpmath.power(-mpmath.re(value), _mpf(fraction))
                return -size if fraction.numerator % 2 else size
        return mpmath.power(value, power)

    def _undefined_function(self, term: Term) -> Value:
        """The value of an undefined function, which depends on its name and its arguments."""
        args = "|".join(significant_digits(self.value(arg)) for arg in term.args)
        return _mpf(coordinate(f"{term.value}({args})", 0))


def _mpf(value: Fraction) -> Value:
    return mpmath.mpf(value.numerator) / value.denominator


def _constant(name: str) -> Value:
    values = {"pi": mpmath.pi, "e": mpmath.e, "i": mpmath.j, "oo": mpmath.inf}
    return +values[name] if name in ("pi", "e") else values[name]


def _is_real(value: Value) -> bool:
    return bool(mpmath.im(value) == 0)


def _sum(values: Sequence[Value]) -> Value:
    """The sum; exactly 0 if the terms cancel to within the precision."""
    total = mpmath.fsum(values)
    if mpmath.isinf(total) or mpmath.isnan(total):
        return total
    largest = max(abs(value) for value in values)
    precision = mpmath.mp.dps
    if abs(total) <= largest * mpmath.mpf(10) ** (15 - precision):
        return mpmath.mpf(0)
    if abs(total) < largest * mpmath.mpf(10) ** -18 and precision < MAX_PRECISION / 4:
        raise ImpreciseError(3 * precision)
    return total


def _call(name: str, values: list[Value]) -> Value:
    first = values[0]
    large = any(abs(value) > MAX_EXPONENT for value in values if not mpmath.isinf(value))
    if large and name not in LARGE_VALUE_FUNCTIONS:
        raise UndecidableError(f"the argument of {name} is too large")
    if name in FUNCTIONS:
        return FUNCTIONS[name](*values)
    if name in ("floor", "ceil"):
        return _rounded(name, first)
    if name in ("factorial", "binomial", "factorial2"):
        if any(abs(value) > 10_000 for value in values):
            raise UndecidableError(f"the argument of {name} is too large")
        return getattr(mpmath, {"factorial2": "fac2"}.get(name, name))(*values)
    raise UndecidableError(f"{name} is not known")


def _rounded(name: str, value: Value) -> Value:
    nearest = mpmath.nint(value)
    if abs(value - nearest) < mpmath.mpf(10) ** (GUARD_PRECISION - mpmath.mp.dps):
        return nearest
    return mpmath.floor(value) if name == "floor" else mpmath.ceil(value)


def _logarithm(value: Value, base: Value = None) -> Value:
    if value == 0:
        raise ZeroDivisionError
    return mpmath.log(value) if base is None else mpmath.log(value) / mpmath.log(base)


def _extreme(choose: Callable[..., Value]) -> Callable[..., Value]:
    def extreme(*values: Value) -> Value:
        if not all(_is_real(value) for value in values):
            raise ValueError("complex numbers have no order")
        return choose(*values)

    return extreme


# Functions with two definitions, which differ for negative numbers.
AMBIGUOUS = frozenset({"acot"})
LARGE_VALUE_FUNCTIONS = frozenset(
    {"abs", "norm", "log", "sign", "max", "min", "re", "im", "floor", "ceil"}
)
FUNCTIONS: dict[str, Callable[..., Value]] = {
    **{name: getattr(mpmath, name) for name in ("sin", "cos", "tan", "cot", "sec", "csc")},
    **{name: getattr(mpmath, name) for name in ("sinh", "cosh", "tanh", "coth", "sech", "csch")},
    **{name: getattr(mpmath, name) for name in ("asin", "acos", "atan", "acot", "asec", "acsc")},
    **{name: getattr(mpmath, name) for name in ("asinh", "acosh", "atanh", "sign", "re", "im")},
    "abs": abs,
    "norm": abs,
    "log": _logarithm,
    "max": _extreme(max),
    "min": _extreme(min),
}
