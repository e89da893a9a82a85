"""Values of numerals: English number words, decimals, repeating decimals."""

from __future__ import annotations

from fractions import Fraction

from a2r.answers.errors import UnreadableError
from a2r.answers.parsing.known_functions import NUMBER_WORDS

SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
PARTS = {
    "half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fourth": 4,
    "fourths": 4, "fifth": 5, "fifths": 5, "sixth": 6, "sixths": 6, "seventh": 7, "sevenths": 7,
    "eighth": 8, "eighths": 8, "ninth": 9, "ninths": 9, "tenth": 10, "tenths": 10,
}  # fmt: skip
MAX_WORDS = 16
MAX_SCALE = 10**15


def spelled_number(text: str) -> Fraction | None:
    """The value of `one hundred twenty`, `two-thirds` or `minus five`; otherwise `None`."""
    words = text.lower().replace("-", " ").split()
    if not 0 < len(words) <= MAX_WORDS or not words[-1].isalpha():
        return None
    if words[0] in ("minus", "negative"):
        value = _unsigned(words[1:])
        return None if value is None else -value
    return _unsigned(words)


def _unsigned(words: list[str]) -> Fraction | None:
    if len(words) > 1 and words[-1] in PARTS:
        count = _integer([word for word in words[:-1] if word != "a"] or ["one"])
        is_plural = words[-1].endswith("s") or words[-1] == "halves"
        if count != 1 and not is_plural:
            # Twenty-fifth is an ordinal.
            return None
        return None if count is None else Fraction(count, PARTS[words[-1]])
    value = _integer(words)
    return None if value is None else Fraction(value)


def _integer(words: list[str]) -> int | None:
    total = group = 0
    smallest = MAX_SCALE
    has_value = False
    for position, word in enumerate(words):
        if word in NUMBER_WORDS and _may_follow(group, NUMBER_WORDS[word]):
            group += NUMBER_WORDS[word]
        elif word == "hundred" and 0 < group < 100:
            group *= 100
        elif word in SCALES and group and SCALES[word] < smallest:
            total, group, smallest = total + group * SCALES[word], 0, SCALES[word]
        elif word in SCALES and total and not group:
            # A thousand million is a billion.
            total *= SCALES[word]
        elif not (word == "and" and (total or group >= 100) and position + 1 < len(words)):
            return None
        has_value = True
    return total + group if has_value else None


def _may_follow(group: int, value: int) -> bool:
    """Whether a number word may follow a group: five after twenty, twenty after a hundred."""
    tens = group % 100
    return tens == 0 or (tens >= 20 and tens % 10 == 0 and 0 < value < 10)


def decimal_fraction(digits: str) -> Fraction:
    """The exact value of a decimal literal.

    Raises:
        UnreadableError: it has more than 4000 digits, or a larger exponent.
    """
    mantissa, _, exponent = digits.lower().partition("e")
    if len(mantissa) > 4000 or abs(int(exponent or 0)) > 4000:
        raise UnreadableError("a number with too many digits")
    return Fraction(mantissa.rstrip(".") or "0") * Fraction(10) ** int(exponent or 0)


def decimal_with_ellipsis(digits: str) -> Fraction:
    """The value of a decimal with an ellipsis: its last digits repeat, as in 0.333… or 0.1666….

    Raises:
        UnreadableError: its last digits do not repeat.
    """
    integer, _, decimals = digits.partition(".")
    for period in range(1, len(decimals) // 2 + 1):
        block = decimals[-period:]
        repeats = 1
        while decimals[: len(decimals) - period * repeats].endswith(block):
            repeats += 1
        if repeats * period >= 3 and repeats >= 2:
            start = decimals[: len(decimals) - period * repeats]
            return repeating_decimal(f"{integer}.{start}", block)
    raise UnreadableError("an ellipsis after digits that do not repeat")


def repeating_decimal(digits: str, block: str) -> Fraction:
    """The value of a decimal whose last block of digits repeats forever.

    Raises:
        UnreadableError: it has more than 400 decimals.
    """
    integer, _, decimals = digits.partition(".")
    if len(block) + len(decimals) > 400:
        raise UnreadableError("a period with too many digits")
    scale = 10 ** len(decimals)
    return Fraction(f"{integer or 0}.{decimals or 0}") + Fraction(
        int(block), (10 ** len(block) - 1) * scale
    )
