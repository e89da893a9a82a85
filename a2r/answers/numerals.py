"""Decimal literals as exact numbers."""

from __future__ import annotations

from fractions import Fraction

from a2r.answers.tokens import UnreadableError


def fraction_of(digits: str) -> Fraction:
    """The exact value of a decimal literal.

    Raises:
        UnreadableError: it has more digits, or a larger exponent, than is worth an exact value.
    """
    mantissa, _, exponent = digits.lower().partition("e")
    if len(mantissa) > 4000 or abs(int(exponent or 0)) > 4000:
        raise UnreadableError("a number of too many digits")
    return Fraction(mantissa.rstrip(".") or "0") * Fraction(10) ** int(exponent or 0)


def recurring(digits: str) -> Fraction:
    """What a decimal with an ellipsis means: its last digits go on, as in 0.333… or 0.1666….

    Raises:
        UnreadableError: its end repeats nothing.
    """
    whole, _, decimals = digits.partition(".")
    for period in range(1, len(decimals) // 2 + 1):
        block = decimals[-period:]
        repeats = 1
        while decimals[: len(decimals) - period * repeats].endswith(block):
            repeats += 1
        if repeats * period >= 3 and repeats >= 2:
            start = decimals[: len(decimals) - period * repeats]
            return repeating(f"{whole}.{start}", block)
    raise UnreadableError("an ellipsis after digits that repeat nothing")


def repeating(digits: str, block: str) -> Fraction:
    """The value of a decimal whose block of digits repeats for ever."""
    whole, _, decimals = digits.partition(".")
    if len(block) + len(decimals) > 400:
        raise UnreadableError("a period of too many digits")
    scale = 10 ** len(decimals)
    return Fraction(f"{whole or 0}.{decimals or 0}") + Fraction(
        int(block), (10 ** len(block) - 1) * scale
    )
