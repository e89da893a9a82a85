"""Values of LaTeX outside the answer grammar: integrals, sums, limits.

It runs in a worker only. latex2sympy2_extended parses, sympy evaluates, and math-verify compares
two texts without a value.
"""

from __future__ import annotations

import re
from typing import Any

import mpmath
import sympy
from latex2sympy2_extended import NormalizationConfig, normalize_latex
from latex2sympy2_extended.latex2sympy2 import latex2sympy
from math_verify import verify

from a2r.answers.errors import UndecidableError, ValuelessError
from a2r.answers.sandbox.numeric_fingerprint import coordinate, evaluate_points

LONE_SCRIPT = re.compile(r"([_^])\s*([A-Za-z0-9+-])")
DIFFERENTIAL = re.compile(r"\\frac\s*\{\s*(d[a-z])\s*\}\s*(\{(?:[^{}]|\{[^{}]*\})*\})")
NORMAL = NormalizationConfig(
    basic_latex=True,
    units=False,
    malformed_operators=True,
    nits=True,
    boxed="none",
    equations=False,
)


WARM_UP_EXAMPLES = (
    r"\int_0^1 x^2 dx", r"\int_0^\infty e^{-x} dx", r"\sum_{k=0}^{\infty}\frac{1}{k!}",
    r"\sum_{n=1}^{\infty}\frac{(-1)^n}{n}", r"\lim_{n\to\infty}(1+\frac{1}{n})^n",
    r"\prod_{k=1}^{5} k",
)  # fmt: skip


def warm_up() -> None:
    """Evaluate examples, so that the modules that sympy imports on first use are loaded."""
    for text in WARM_UP_EXAMPLES:
        latex_fingerprint(text)
    verify_latex(r"F_n = \sum_{k=0}^{n} F_k", r"F_m = \sum_{k=0}^{m} F_k", strict=True)


def latex_fingerprint(text: str) -> str:
    """The fingerprint of LaTeX, in the format of `numeric_fingerprint.fingerprint`.

    Raises:
        UndecidableError: sympy finds no value.
    """
    parsed = parse_latex(text)
    if not isinstance(parsed, sympy.Expr):
        raise ValuelessError(f"{type(parsed).__name__} has no numerical value")
    if "^+" not in text and "^{+" not in text and "^-" not in text and "^{-}" not in text:
        parsed = _two_sided(parsed)
    evaluated = parsed.doit(deep=True)
    if evaluated.has(sympy.Integral, sympy.Sum, sympy.Limit, sympy.Derivative, sympy.Product):
        evaluated = sympy.simplify(evaluated).doit()
    names = {symbol: _name(symbol) for symbol in evaluated.free_symbols}
    return evaluate_points(lambda point: _value(evaluated, names, point), bool(names), "value")


def _two_sided(expression: Any) -> Any:
    """The expression with its limits at finite points from both sides.

    Raises:
        UndecidableError: the limits of the sides differ.
    """
    replaced = {
        limit: sympy.Limit(*limit.args[:3], "+-")
        for limit in expression.atoms(sympy.Limit)
        if limit.args[2].is_finite
    }
    try:
        values = {limit: new.doit() for limit, new in replaced.items()}
    except ValueError as error:
        raise UndecidableError("the limits of the two sides differ") from error
    if any(value.has(sympy.zoo, sympy.nan, sympy.AccumBounds) for value in values.values()):
        raise UndecidableError("the limits of the two sides differ")
    return expression.xreplace(values)


def _name(symbol: Any) -> str:
    return str(symbol).replace("{", "").replace("}", "").replace("\\", "")


def _value(expression: Any, names: dict[Any, str], point: int) -> Any:
    values = {
        symbol: sympy.Rational(
            coordinate(name, point).numerator, coordinate(name, point).denominator
        )
        for symbol, name in names.items()
    }
    number = expression.subs(values).evalf(mpmath.mp.dps, maxn=2 * mpmath.mp.dps)
    if not number.is_number or number.has(sympy.nan, sympy.zoo):
        raise ValuelessError("sympy finds no number")
    if number.is_infinite:
        return mpmath.inf if bool(number > 0) else -mpmath.inf
    real, imaginary = number.as_real_imag()
    return mpmath.mpc(_mpf(real), _mpf(imaginary))


def _mpf(number: Any) -> Any:
    if not number.is_Float and not number.is_Rational:
        raise UndecidableError("sympy finds no number")
    return mpmath.mpf(sympy.Float(number, mpmath.mp.dps)._mpf_)


def verify_latex(gold: str, answer: str, *, strict: bool) -> bool:
    """Whether math-verify accepts an answer for a gold answer; `strict` requires both orders.

    Each text is parsed as one formula, so that no number is extracted from prose. The worker
    limits the time; the timeouts of math-verify, which need signals, are off.
    """
    left, right = parse_latex(gold), parse_latex(answer)
    accepted = bool(verify(left, right, timeout_seconds=None))
    return accepted and (not strict or bool(verify(right, left, timeout_seconds=None)))


def parse_latex(text: str) -> Any:
    """The sympy object of LaTeX, parsed as one formula.

    Raises:
        UndecidableError: it cannot be parsed.
    """
    text = DIFFERENTIAL.sub(r"\\frac{1}\2 \1", LONE_SCRIPT.sub(r"\1{\2}", text))
    try:
        return latex2sympy(normalize_latex(text, NORMAL), is_real=False, convert_degrees=False)
    except Exception as error:
        raise UndecidableError(f"the LaTeX cannot be parsed: {type(error).__name__}") from error
