"""Strings that stand for values: of expressions nobody evaluated, and rounded ones."""

from __future__ import annotations

from decimal import Context, Decimal, InvalidOperation

from a2r.answers.syntax import Term, key


def structural(term: Term) -> str:
    """What stands for a value that is not computed: the expression itself."""
    return f"x{key(term)}"


def rounded(value: str, digits: int | None) -> str:
    """A real value rounded to significant digits; other values, and `None` digits, as they are."""
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
