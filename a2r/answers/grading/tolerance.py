"""When a grader takes one number for another: rounding to the precision that was written."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

MIN_DIGITS, MIN_CUT_OFF_DIGITS = 4, 7
MIN_GOLD_DIGITS = 2
MAX_TOLERANCE = Fraction(11, 1000)


@dataclass(frozen=True, kw_only=True)
class WrittenNumber:
    """A number: its value, and how many decimals were written; `None` for exact expressions."""

    value: Fraction
    decimals: int | None = None

    @property
    def digits(self) -> int:
        """How many significant digits were written."""
        scaled = abs(int(self.value * 10 ** (self.decimals or 0)))
        return len(str(scaled)) if scaled else 0

    @property
    def half(self) -> Fraction:
        """Half a unit of the last decimal that was written."""
        return Fraction(1, 2 * 10 ** (self.decimals or 0))


def is_close(answer: WrittenNumber, gold: WrittenNumber) -> bool:
    """Whether an answer is the gold to the precision of the gold, or a rounding of it.

    A whole gold accepts nothing but itself. A decimal gold of two or more digits accepts what
    rounds to it, within 1.1%. An answer of four or more significant digits is right where it is
    the rounding of the gold; of seven or more, also where its digits were just cut off.
    """
    difference = abs(answer.value - gold.value)
    if difference == 0:
        return True
    if gold.decimals is None and gold.value.denominator == 1:
        return False
    if answer.value.denominator == 1:
        return False
    if gold.decimals and gold.digits >= MIN_GOLD_DIGITS and difference <= gold.half:
        return answer.decimals is None or difference <= MAX_TOLERANCE * abs(gold.value)
    if answer.decimals and answer.digits >= MIN_DIGITS:
        cut_off = answer.digits >= MIN_CUT_OFF_DIGITS and abs(answer.value) < abs(gold.value)
        return difference <= answer.half * (2 if cut_off else 1)
    return False
