"""Pairs of expressions, functions with breaks, relations and numbers."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from fractions import Fraction

import sympy

from tests.answers.fuzz.pairs import Pair

LETTERS = ("x", "y", "t", "a", "n", "k", "p", "q", "z", "w")
POINTS = (-1013.5, -7.25, -2.0, -0.3, 0.4, 1.0, 2.75, 11.0, 997.5)


def expression(rng: random.Random) -> Pair:
    """An analytic expression in two spellings, or with one number changed."""
    symbols = [sympy.Symbol(name, positive=False) for name in rng.sample(LETTERS, 2)]
    original = _random_expression(rng, symbols, 3)
    if rng.random() < 0.5:
        rewritten = rng.choice((sympy.expand, sympy.factor, sympy.together, _regrouped))(original)
        return Pair(first=_spelled(rng, original), second=_spelled(rng, rewritten), same=True)
    edited = _edited(rng, original)
    if not _differs(original, edited):
        return expression(rng)
    return Pair(first=_spelled(rng, original), second=_spelled(rng, edited), same=False)


def _random_expression(rng: random.Random, symbols: list[sympy.Symbol], depth: int) -> sympy.Expr:
    if depth == 0 or rng.random() < 0.15:
        return rng.choice([*symbols, sympy.Integer(rng.randint(1, 12))])
    left = _random_expression(rng, symbols, depth - 1)
    right = _random_expression(rng, symbols, depth - 1)
    match rng.randrange(8):
        case 0 | 1:
            return left + right
        case 2:
            return left - right + rng.randint(1, 9)
        case 3 | 4:
            return left * right
        case 5:
            return left ** rng.choice((2, 3))
        case 6:
            return left / (right**2 + rng.randint(1, 5))
    return rng.choice((sympy.sin, sympy.cos, sympy.exp))(symbols[0]) * rng.randint(1, 5) + left


def _regrouped(expr: sympy.Expr) -> sympy.Expr:
    return sympy.Add(*reversed(expr.as_ordered_terms()), evaluate=False)


def _edited(rng: random.Random, expr: sympy.Expr) -> sympy.Expr:
    numbers = sorted(expr.atoms(sympy.Integer), key=str)
    if not numbers:
        return expr + rng.randint(1, 3)
    number = rng.choice(numbers)
    return expr.xreplace({number: number + rng.choice((1, 2, 10))})


def _differs(first: sympy.Expr, second: sympy.Expr) -> bool:
    names = sorted(first.free_symbols | second.free_symbols, key=str)
    for shift in (0.37, 1.91, 2.3):
        values = {name: shift + 0.61 * index for index, name in enumerate(names)}
        gap = sympy.N((first - second).subs(values))
        if gap.is_number and abs(gap) > 1e-6:
            return True
    return False


def _spelled(rng: random.Random, expr: sympy.Expr) -> str:
    match rng.randrange(4):
        case 0:
            return str(expr)
        case 1:
            return sympy.latex(expr, mul_symbol=rng.choice((None, "dot", "times")))
        case 2:
            return sympy.latex(expr, fold_short_frac=True)
    return f"${sympy.latex(expr)}$"


def piecewise(rng: random.Random) -> Pair:
    """Functions with breaks: an identity, or an edit that changes the values somewhere."""
    variable = rng.choice(("x", "n", "t", "y"))
    slope, shift, top = rng.choice((1, 1, 2, 3)), rng.randint(1, 2000), rng.randint(1, 9)
    inner = f"{slope if slope > 1 else ''}{variable}-{shift}"
    flipped = f"{shift}-{slope if slope > 1 else ''}{variable}"
    if rng.random() < 0.5:
        return _identity(rng, variable, inner, flipped, shift, top)
    different = (
        (f"|{inner}|", flipped),
        (f"|{inner}|", inner),
        (f"\\max({variable},{shift})", f"{shift}"),
        (f"\\max({variable},{shift})", variable),
        (f"\\max({variable},{shift})", f"\\max({variable},{shift + 1})"),
        (f"\\min({variable},-{shift})", f"-{shift}"),
        (f"|{inner}|+{top}", f"|{inner}|+{top + 1}"),
        (f"\\lfloor {variable}/{top + 1} \\rfloor", f"\\lceil {variable}/{top + 1} \\rceil"),
        (f"\\lfloor {variable}/{top + 1} \\rfloor", f"{variable}/{top + 1}"),
        (f"\\lfloor {variable}/{top + 1} \\rfloor+1", f"\\lceil {variable}/{top + 1} \\rceil"),
        (
            f"\\lfloor\\sqrt{{{variable}}}\\rfloor",
            f"\\lfloor\\sqrt{{{variable}-{top}}}\\rfloor",
        ),
        (f"\\sqrt{{({inner})^2}}", flipped),
        (f"|{inner}|+|{variable}+{shift}|", f"{2 * shift}"),
    )
    first, second = rng.choice(different)
    return Pair(first=first, second=second, same=False)


def _identity(
    rng: random.Random, variable: str, inner: str, flipped: str, shift: int, top: int
) -> Pair:
    equal = (
        (f"|{inner}|", f"|{flipped}|"),
        (f"{top}|{inner}|", f"|{inner}|\\cdot {top}"),
        (f"\\max({variable},{shift})", f"\\max({shift},{variable})"),
        (f"\\min({variable},{shift})", f"\\min({shift}, {variable})"),
        (f"\\lfloor {variable} \\rfloor+{top}", f"\\lfloor {variable}+{top} \\rfloor"),
        (f"\\lceil {variable} \\rceil", f"-\\lfloor -{variable} \\rfloor"),
        (f"\\sqrt{{({inner})^2}}", f"|{inner}|"),
        (f"\\max({variable},-{variable})", f"|{variable}|"),
        (f"|{inner}|^2", f"({inner})^2"),
        (f"\\left|{inner}\\right|", f"abs({inner})"),
        (f"\\max({variable},{shift})+\\min({variable},{shift})", f"{variable}+{shift}"),
    )
    first, second = rng.choice(equal)
    return Pair(first=first, second=second, same=True)


def relation(rng: random.Random) -> Pair:
    """Linear and quadratic relations: scaled and reordered, or with one number changed."""
    a, b, c = (rng.randint(1, 12) for _ in range(3))
    c += rng.choice((0, 0, 10**20))
    x, y = rng.sample(("x", "y", "z", "u", "v"), 2)
    operator = rng.choice(("=", "<", "\\le", ">"))
    flipped = {"=": "=", "<": ">", "\\le": "\\ge", ">": "<"}[operator]
    square = rng.choice(("", "^2"))
    first = f"{a}{x}{square} + {b}{y} {operator} {c}"
    if rng.random() < 0.5:
        factor = rng.randint(2, 9)
        second = rng.choice(
            (
                f"{factor * a}{x}{square}+{factor * b}{y} {operator} {factor * c}",
                f"{c} {flipped} {b}{y}+{a}{x}{square}",
                f"{a}{x}{square} {operator} {c} - {b}{y}",
                f"{b}{y} + {a}{x}{square} - {c} {operator} 0",
            )
        )
        return Pair(first=first, second=second, same=True)
    second = rng.choice(
        (
            f"{a}{x}{square} + {b}{y} {operator} {c + 1}",
            f"{a}{x}{square} - {b}{y} {operator} {c}",
            f"{a + 1}{x}{square} + {b}{y} {operator} {c}",
            f"{a}{x}{square} + {b}{y} \\ne {c}",
            f"{a}{x}^3 + {b}{y} {operator} {c}",
        )
    )
    return Pair(first=first, second=second, same=False)


def number(rng: random.Random) -> Pair:
    """A number in two notations, or two close numbers."""
    value = Fraction(rng.randint(-400, 4000), rng.choice((1, 1, 2, 4, 5, 8, 25)))
    if rng.random() < 0.5:
        first, second = rng.sample(_notations(value), 2)
        return Pair(first=first, second=second, same=True)
    gap = rng.choice((Fraction(1), Fraction(1, 100), Fraction(-1, 10), 10 * value or Fraction(3)))
    other = rng.choice(_notations(value + gap))
    return Pair(first=rng.choice(_notations(value)), second=other, same=False)


def _notations(value: Fraction) -> list[str]:
    top, bottom, sign = abs(value.numerator), value.denominator, "-" if value < 0 else ""
    decimal = f"{float(abs(value)):.10f}".rstrip("0").rstrip(".")
    notations = [f"{sign}{decimal}", f"${sign}{decimal}$", f"x = {sign}{decimal}"]
    if bottom > 1:
        notations += [f"{sign}\\frac{{{top}}}{{{bottom}}}", f"{sign}{top}/{bottom}"]
        whole, rest = divmod(top, bottom)
        if whole and not sign:
            notations += [f"{whole}\\frac{{{rest}}}{{{bottom}}}", f"{whole} {rest}/{bottom}"]
    elif top >= 1000:
        notations += [f"{sign}{top:,}", f"{sign}{top:,}".replace(",", "{,}")]
    else:
        notations += [f"{sign}{top}.0", f"{sign}\\frac{{{2 * top}}}{{2}}"]
    return notations


def radical(rng: random.Random) -> Pair:
    """Constants with roots and logarithms: simplified, or with one number changed."""
    n, m = rng.randint(2, 30), rng.randint(2, 9)
    equal = (
        (f"\\sqrt{{{n * m * m}}}", f"{m}\\sqrt{{{n}}}"),
        (f"\\frac{{{m}}}{{\\sqrt{{{n}}}}}", f"\\frac{{{m}\\sqrt{{{n}}}}}{{{n}}}"),
        (f"\\log_{{{m}}} {m**3}", "3"),
        (f"\\ln {n * m}", f"\\ln {n} + \\ln {m}"),
        (f"(\\sqrt{{{n}}}+{m})^2", f"{n + m * m}+{2 * m}\\sqrt{{{n}}}"),
        (f"{n}^{{1/2}}", f"\\sqrt{{{n}}}"),
        (f"{m}\\pi/{n}", f"\\frac{{{m}\\pi}}{{{n}}}"),
        (f"e^{{\\ln {n}}}", f"{n}"),
    )
    # Each with the difference of its values; the last pair differs in a late digit.
    different = (
        (f"\\sqrt{{{n}}}", f"\\sqrt{{{n + 1}}}", n**0.5 - (n + 1) ** 0.5),
        (f"{m}\\sqrt{{{n}}}", f"\\sqrt{{{n * m}}}", m * n**0.5 - (n * m) ** 0.5),
        (f"\\sqrt{{{n}}}+{m}", f"\\sqrt{{{n}}}-{m}", 2 * m),
        (f"\\sqrt{{{n}}}+\\sqrt{{{m}}}", f"\\sqrt{{{n + m}}}", n**0.5 + m**0.5 - (n + m) ** 0.5),
        (
            f"\\log_{{{m}}} {n + 1}",
            f"\\log_{{{n + 1}}} {m + 1}",
            math.log(n + 1, m) - math.log(m + 1, n + 1),
        ),
        (f"{m}\\pi", f"{m + 1}\\pi", math.pi),
        (f"\\sqrt[3]{{{n}}}", f"\\sqrt{{{n}}}", n ** (1 / 3) - n**0.5),
        (f"\\sqrt{{10^{{{40 * m}}}+1}}", f"10^{{{20 * m}}}", 1.0),
    )
    if rng.random() < 0.5:
        first, second = rng.choice(equal)
        return Pair(first=first, second=second, same=True)
    first, second, gap = rng.choice(different)
    return Pair(first=first, second=second, same=False) if abs(gap) > 1e-9 else radical(rng)


EXPRESSIONS: dict[str, Callable[[random.Random], Pair]] = {
    "expressions": expression,
    "functions with breaks": piecewise,
    "relations": relation,
    "numbers": number,
    "radicals": radical,
}
