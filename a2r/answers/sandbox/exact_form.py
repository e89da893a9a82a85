"""Exact forms of expressions: polynomials over the rationals, whose variables may be functions.

Values at points cannot tell piecewise functions apart: `|x - 200|` and `200 - x` agree at all
numbers below 200. Two such expressions are equal if their exact forms are. It runs in a worker.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from a2r.answers.errors import UndecidableError
from a2r.answers.parsing.expression import Term, call, free_symbols, negative, walk

# Functions with breaks: they agree with another expression on one side only.
STEP_FUNCTIONS = frozenset(
    {"abs", "norm", "floor", "ceil", "max", "min", "sign", "gcd", "lcm", "mod", "re", "im"}
)
MAX_MONOMIALS = 400
MAX_EXPONENT = 40
MAX_BITS = 20_000

Monomial = tuple[tuple[str, Fraction], ...]
Polynomial = Mapping[Monomial, Fraction]
ONE: Monomial = ()


def has_steps(term: Term) -> bool:
    """Whether an expression may be piecewise: a step function or an even root of variables."""
    return any(_is_step(node) for node in walk(term))


def _is_step(node: Term) -> bool:
    if node.head == "call" and node.value in STEP_FUNCTIONS:
        return bool(free_symbols(node))
    if node.head == "call" and node.value == "log" and node.args[0].head == "power":
        # The logarithm of x^2 is twice that of |x|.
        return bool(free_symbols(node.args[0]))
    if node.head != "power" or node.args[1].head != "number":
        return False
    base, even_root = node.args[0], node.args[1].rational.denominator % 2 == 0
    return even_root and base.head not in ("symbol", "number") and bool(free_symbols(base))


def exact_form(term: Term, mode: str) -> str | None:
    """The exact form of an expression; `None` if it has no steps after all.

    The modes are those of `numeric_fingerprint.fingerprint`: with `zero` up to a factor, with
    `sign` up to a positive factor.

    Raises:
        UndecidableError: the form is too large.
    """
    builder = ExactFormBuilder()
    polynomial = builder.polynomial(term)
    if not builder.has_steps(polynomial):
        return None
    if mode != "value":
        leading = polynomial[max(polynomial)]
        scale = abs(leading) if mode == "sign" else leading
        polynomial = {monomial: c / scale for monomial, c in polynomial.items()}
    return f"exact {_text(polynomial)}"


@dataclass
class ExactFormBuilder:
    """Builds polynomials; remembers the arguments of the functions that are their variables."""

    arguments: dict[str, Polynomial] = field(default_factory=dict)
    steps: set[str] = field(default_factory=set)

    def has_steps(self, polynomial: Polynomial) -> bool:
        """Whether a function with breaks is left in a polynomial."""
        return any(name in self.steps for monomial in polynomial for name, _ in monomial)

    def polynomial(self, term: Term) -> Polynomial:
        """The polynomial of an expression."""
        match term.head:
            case "number":
                return _constant(term.rational)
            case "symbol" | "constant":
                return _variable(f"{term.head} {term.value}")
            case "sum":
                total: Polynomial = {}
                for arg in term.args:
                    total = _add(total, self.polynomial(arg))
                return total
            case "product":
                result = _constant(Fraction(1))
                for arg in term.args:
                    result = self._multiply(result, self.polynomial(arg))
                return result
            case "power":
                return self._power(*term.args)
            case "call":
                return self._call(term)
        raise UndecidableError(f"{term.head} has no exact form")

    def _power(self, base: Term, exponent: Term) -> Polynomial:
        inner = self.polynomial(base)
        if exponent.head != "number":
            return self._function("power", [inner, self.polynomial(exponent)])
        power = exponent.rational
        if power.denominator == 1 and 0 <= power <= MAX_EXPONENT:
            result = _constant(Fraction(1))
            for _ in range(int(power)):
                result = self._multiply(result, inner)
            return result
        if power.denominator == 1:
            return self._inverse_power(inner, power)
        return self._root(inner, power)

    def _inverse_power(self, inner: Polynomial, power: Fraction) -> Polynomial:
        if abs(power) > MAX_EXPONENT or not inner:
            raise UndecidableError("a power is too large")
        if len(inner) == 1:
            ((monomial, coefficient),) = inner.items()
            inverted = tuple((name, exponent * power) for name, exponent in monomial)
            return {inverted: coefficient ** int(power)}
        content, primitive = _primitive(inner)
        name = self._name("sum", [primitive])
        return {((name, power),): content ** int(power)}

    def _root(self, inner: Polynomial, power: Fraction) -> Polynomial:
        root = _square_root(inner) if power == Fraction(1, 2) else None
        if root is not None:
            return self._absolute_value(root)
        name = self._name("sum", [inner])
        if power.denominator % 2 == 0 and not _is_squarefree(inner):
            self.steps.add(name)
        return {((name, power),): Fraction(1)}

    def _call(self, term: Term) -> Polynomial:
        name, args = term.value, term.args
        match name:
            case "abs" | "norm" if len(args) == 1:
                return self._absolute_value(self.polynomial(args[0]))
            case "ceil":
                return _scaled(self._call(call("floor", negative(args[0]))), Fraction(-1))
            case "floor":
                return self._floor(self.polynomial(args[0]))
            case "min":
                return _scaled(self._call(call("max", *map(negative, args))), Fraction(-1))
            case "max" if len(args) == 2:
                return self._maximum(*map(self.polynomial, args))
            case "sign":
                return self._sign(self.polynomial(args[0]))
            case "log" if len(args) == 1:
                return self._logarithm(self.polynomial(args[0]))
        inner = [self.polynomial(arg) for arg in args]
        if name in ("gcd", "lcm", "max"):
            inner.sort(key=_text)
        return self._function(name, inner)

    def _absolute_value(self, inner: Polynomial) -> Polynomial:
        if not inner:
            return inner
        content, primitive = _primitive(inner)
        if len(primitive) == 1:
            ((monomial, _),) = primitive.items()
            result = _constant(abs(content))
            for name, exponent in monomial:
                if exponent.denominator == 1 and exponent % 2 == 0:
                    factor: Polynomial = {((name, exponent),): Fraction(1)}
                else:
                    inside: Polynomial = {((name, Fraction(1)),): Fraction(1)}
                    factor = {((self._name("abs", [inside]), exponent),): Fraction(1)}
                result = self._multiply(result, factor)
            return result
        return _scaled(self._function("abs", [primitive]), abs(content))

    def _floor(self, inner: Polynomial) -> Polynomial:
        shift = Fraction(math.floor(inner.get(ONE, Fraction(0))))
        rest = _add(inner, _constant(-shift))
        if set(rest) <= {ONE}:
            return _constant(shift)
        return _add(self._function("floor", [rest]), _constant(shift))

    def _maximum(self, first: Polynomial, second: Polynomial) -> Polynomial:
        distance = self._absolute_value(_add(first, _scaled(second, Fraction(-1))))
        return _scaled(_add(_add(first, second), distance), Fraction(1, 2))

    def _sign(self, inner: Polynomial) -> Polynomial:
        if not inner:
            return inner
        content, primitive = _primitive(inner)
        return _scaled(self._function("sign", [primitive]), Fraction(1 if content > 0 else -1))

    def _logarithm(self, inner: Polynomial) -> Polynomial:
        root = _square_root(inner)
        if root is None or not any(root):
            return self._function("log", [inner])
        return _scaled(self._function("log", [self._absolute_value(root)]), Fraction(2))

    def _function(self, name: str, inner: list[Polynomial]) -> Polynomial:
        return _variable(self._name(name, inner))

    def _name(self, function: str, inner: list[Polynomial]) -> str:
        name = f"{function}({'; '.join(map(_text, inner))})"
        if function in STEP_FUNCTIONS or any(self.has_steps(argument) for argument in inner):
            self.steps.add(name)
        if function == "abs":
            self.arguments[name] = inner[0]
        return name

    def _multiply(self, left: Polynomial, right: Polynomial) -> Polynomial:
        if len(left) * len(right) > MAX_MONOMIALS**2:
            raise UndecidableError("the exact form is too large")
        result: Polynomial = {}
        for first, a in left.items():
            for second, b in right.items():
                result = _add(result, self._reduced(_joined(first, second), a * b))
        return result

    def _reduced(self, monomial: Monomial, coefficient: Fraction) -> Polynomial:
        """A monomial in which the square of an absolute value is the square of its argument."""
        for name, exponent in monomial:
            if name == "constant i" and exponent >= 2:
                rest = [(n, e) for n, e in monomial if n != name]
                sign = Fraction(-1) ** int(exponent // 2)
                left = exponent % 2
                joined = tuple(sorted([*rest, (name, left)])) if left else tuple(rest)
                return self._reduced(joined, coefficient * sign)
            if name in self.arguments and exponent.denominator == 1 and exponent >= 2:
                rest = [(n, e) for n, e in monomial if n != name]
                if exponent > 2:
                    rest.append((name, exponent - 2))
                square = self._multiply(self.arguments[name], self.arguments[name])
                return self._multiply({tuple(sorted(rest)): coefficient}, square)
        return {monomial: coefficient}


def _constant(value: Fraction) -> Polynomial:
    return {ONE: value} if value else {}


def _variable(name: str) -> Polynomial:
    return {((name, Fraction(1)),): Fraction(1)}


def _add(left: Polynomial, right: Polynomial) -> Polynomial:
    total = dict(left)
    for monomial, coefficient in right.items():
        value = total.get(monomial, Fraction(0)) + coefficient
        if value:
            total[monomial] = value
        else:
            total.pop(monomial, None)
        if value.numerator.bit_length() > MAX_BITS:
            raise UndecidableError("a coefficient is too large")
    if len(total) > MAX_MONOMIALS:
        raise UndecidableError("the exact form is too large")
    return total


def _scaled(polynomial: Polynomial, factor: Fraction) -> Polynomial:
    return {monomial: c * factor for monomial, c in polynomial.items()} if factor else {}


def _joined(first: Monomial, second: Monomial) -> Monomial:
    exponents = dict(first)
    for name, exponent in second:
        exponents[name] = exponents.get(name, Fraction(0)) + exponent
    return tuple(sorted((name, e) for name, e in exponents.items() if e))


def _primitive(polynomial: Polynomial) -> tuple[Fraction, Polynomial]:
    """The content and the primitive part, whose leading coefficient is positive."""
    values = polynomial.values()
    scale = math.lcm(*(value.denominator for value in values))
    content = Fraction(math.gcd(*(int(value * scale) for value in values)), scale)
    if polynomial[max(polynomial)] < 0:
        content = -content
    return content, {monomial: value / content for monomial, value in polynomial.items()}


def _text(polynomial: Polynomial) -> str:
    return " + ".join(
        f"{coefficient.numerator:x}/{coefficient.denominator:x}"
        + "".join(f" {name}^{exponent}" for name, exponent in monomial)
        for monomial, coefficient in sorted(polynomial.items())
    )


def _single_variable(polynomial: Polynomial) -> list[Fraction] | None:
    """The coefficients by exponent of a polynomial in one variable; `None` for others."""
    names = {name for monomial in polynomial for name, _ in monomial}
    exponents = [exponent for monomial in polynomial for _, exponent in monomial]
    if len(names) != 1 or any(e.denominator != 1 or not 0 < e <= MAX_EXPONENT for e in exponents):
        return None
    (name,) = names
    degree = int(max(exponents))
    return [
        polynomial.get(((name, Fraction(power)),) if power else ONE, Fraction(0))
        for power in range(degree + 1)
    ]


def _square_root(polynomial: Polynomial) -> Polynomial | None:
    """The monomial or polynomial in one variable whose square it is; `None` without one."""
    if len(polynomial) == 1:
        return _monomial_root(polynomial)
    coefficients = _single_variable(polynomial)
    if coefficients is None or len(coefficients) % 2 == 0:
        return None
    leading = _rational_root(coefficients[-1])
    if leading is None:
        return None
    half = len(coefficients) // 2
    root = [Fraction(0)] * half + [leading]
    for power in range(half - 1, -1, -1):
        known = sum((root[k] * root[power + half - k] for k in range(power + 1, half)), Fraction(0))
        root[power] = (coefficients[power + half] - known) / (2 * leading)
    (name,) = {name for monomial in polynomial for name, _ in monomial}
    result = {
        ((name, Fraction(power)),) if power else ONE: value
        for power, value in enumerate(root)
        if value
    }
    return result if _squares_to(root, coefficients) else None


def _monomial_root(polynomial: Polynomial) -> Polynomial | None:
    ((monomial, coefficient),) = polynomial.items()
    root = _rational_root(coefficient)
    if root is None or any(exponent.denominator != 1 or exponent % 2 for _, exponent in monomial):
        return None
    return {tuple((name, exponent / 2) for name, exponent in monomial): root}


def _squares_to(root: list[Fraction], coefficients: list[Fraction]) -> bool:
    square = [Fraction(0)] * (2 * len(root) - 1)
    for i, a in enumerate(root):
        for j, b in enumerate(root):
            square[i + j] += a * b
    return square == coefficients


def _rational_root(value: Fraction) -> Fraction | None:
    if value < 0:
        return None
    root = Fraction(math.isqrt(value.numerator), math.isqrt(value.denominator))
    return root if root * root == value else None


def _is_squarefree(polynomial: Polynomial) -> bool:
    """Whether a polynomial has no square factor; on a line, if it has several variables."""
    names = sorted({name for monomial in polynomial for name, _ in monomial})
    line = [Fraction(0)]
    for monomial, coefficient in polynomial.items():
        factor = [coefficient]
        for name, exponent in monomial:
            if exponent.denominator != 1 or not 0 < exponent <= MAX_EXPONENT:
                return False
            slope = Fraction(1) if len(names) == 1 else Fraction(names.index(name) * 7 + 3, 5)
            shift = Fraction(0) if len(names) == 1 else Fraction(names.index(name) * 11 + 2, 7)
            for _ in range(int(exponent)):
                factor = _product(factor, [shift, slope])
        line = [
            (line[k] if k < len(line) else Fraction(0))
            + (factor[k] if k < len(factor) else Fraction(0))
            for k in range(max(len(line), len(factor)))
        ]
    derivative = [power * value for power, value in enumerate(line)][1:]
    return len(_common_divisor(_trimmed(line), _trimmed(derivative))) <= 1


def _product(left: list[Fraction], right: list[Fraction]) -> list[Fraction]:
    result = [Fraction(0)] * (len(left) + len(right) - 1)
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            result[i + j] += a * b
    return result


def _trimmed(coefficients: list[Fraction]) -> list[Fraction]:
    while coefficients and not coefficients[-1]:
        coefficients = coefficients[:-1]
    return coefficients


def _common_divisor(left: list[Fraction], right: list[Fraction]) -> list[Fraction]:
    """The greatest common divisor of two polynomials in one variable, by Euclid's algorithm."""
    while right:
        remainder = left
        while len(remainder) >= len(right):
            factor = remainder[-1] / right[-1]
            shift = len(remainder) - len(right)
            remainder = _trimmed(
                [
                    value - (factor * right[k - shift] if k >= shift else 0)
                    for k, value in enumerate(remainder[:-1])
                ]
            )
        left, right = right, [value / remainder[-1] for value in remainder] if remainder else []
    return left
