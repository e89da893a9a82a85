"""The tolerance of a grader for numbers: rounding to the written precision."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

MIN_DIGITS, MIN_FRACTION_DIGITS, MIN_CUT_OFF_DIGITS, FLOAT_DIGITS = 4, 3, 7, 15
MAX_DENOMINATOR = 10_000
MIN_GOLD_DIGITS = 2
MAX_TOLERANCE = Fraction(11, 1000)


@dataclass(frozen=True, kw_only=True)
class WrittenNumber:
    """A number: its value and its count of written decimals; `None` for exact expressions."""

    value: Fraction
    decimals: int | None = None

    @property
    def digits(self) -> int:
        """The count of written significant digits."""
        scaled = abs(int(self.value * 10 ** (self.decimals or 0)))
        return len(str(scaled)) if scaled else 0

    @property
    def is_fraction(self) -> bool:
        """Whether it is an exact fraction, and not the value of a root or of pi."""
        return self.decimals is None and self.value.denominator <= MAX_DENOMINATOR

    @property
    def half_unit(self) -> Fraction:
        """Half a unit of the last written decimal."""
        return Fraction(1, 2 * 10 ** (self.decimals or 0))


def is_close(answer: WrittenNumber, gold: WrittenNumber) -> bool:
    """Whether an answer equals the gold to the precision of the gold, or is a rounding of it.

    An integer gold accepts only itself. A decimal gold of two or more digits accepts the numbers
    that round to it, within 1.1%. An answer of four or more significant digits is right if it is
    the rounding of the gold, or of three for a fraction; of seven or more, also if it truncates the
    digits of the gold, or if the last digit is one off, as in floating-point numbers.
    """
    difference = abs(answer.value - gold.value)
    if difference == 0:
        return True
    if gold.decimals is None and gold.value.denominator == 1:
        return False
    if answer.value.denominator == 1:
        return False
    if gold.decimals and gold.digits >= MIN_GOLD_DIGITS and difference <= gold.half_unit:
        return answer.decimals is None or difference <= MAX_TOLERANCE * abs(gold.value)
    min_digits = MIN_FRACTION_DIGITS if gold.is_fraction else MIN_DIGITS
    if answer.decimals and answer.digits >= min_digits:
        cut_off = answer.digits >= MIN_CUT_OFF_DIGITS and abs(answer.value) < abs(gold.value)
        inexact = cut_off or answer.digits >= FLOAT_DIGITS
        return difference <= answer.half_unit * (2 if inexact else 1)
    return False
