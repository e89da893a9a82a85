"""Putting terms together with the signs that stand before them."""

from __future__ import annotations

from a2r.answers.syntax import Term, negative


def product_of(factors: list[Term]) -> Term:
    """The product of factors; one factor is itself."""
    return factors[0] if len(factors) == 1 else Term("product", tuple(factors))


def flipped(sign: str) -> str:
    """A sign after a minus before it."""
    return {"": "-", "-": "", "pm": "mp", "mp": "pm"}[sign]


def signed(sign: str, term: Term) -> Term:
    """The term with a sign: none, minus, plus-minus or minus-plus."""
    if sign == "-":
        return negative(term)
    return Term(sign, (term,)) if sign else term
