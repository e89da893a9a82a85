"""The tolerance of a grader for numbers: rounding to the written precision."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

MIN_DIGITS, MIN_CUT_OFF_DIGITS = 4, 7
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
    def half_unit(self) -> Fraction:
        """Half a unit of the last written decimal."""
        return Fraction(1, 2 * 10 ** (self.decimals or 0))


def is_close(answer: WrittenNumber, gold: WrittenNumber) -> bool:
    """Whether an answer equals the gold to the precision of the gold, or is a rounding of it.

    An integer gold accepts only itself. A decimal gold of two or more digits accepts the numbers
    that round to it, within 1.1%. An answer of four or more significant digits is right if it is
    the rounding of the gold; of seven or more, also if it truncates the digits of the gold.
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
    if answer.decimals and answer.digits >= MIN_DIGITS:
        cut_off = answer.digits >= MIN_CUT_OFF_DIGITS and abs(answer.value) < abs(gold.value)
        return difference <= answer.half_unit * (2 if cut_off else 1)
    return False
