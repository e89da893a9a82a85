"""Normal forms of answers: what two spellings of one answer have in common."""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

TEXT_COMMAND = re.compile(r"\\(?:text|textbf|mathrm|mathbf|mbox|operatorname)\s*\{([^{}]*)\}")
FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}|\\[dt]?frac\s*(\d)\s*(\d)")
NOISE = re.compile(r"\\[!,;: ]|\\(?:left|right|displaystyle|limits)\b|\$")
THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))|(?<=\d)\{,\}(?=\d{3})")
DEFINITION = re.compile(r"[a-z]\s*=\s*(?=[^=]+$)", re.IGNORECASE)
NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:/\d+)?")
MONEY = re.compile(r"^\\?[$€£]\s*(?=[\d.])")
LONGEST_NUMBER = 4000
SIGNS = str.maketrans({"−": "-", "–": "-", "×": "*", "·": "*", "÷": "/"})


def normal_text(answer: str) -> str:
    """The answer without typographic differences: Unicode, case, spaces, LaTeX dress."""
    text = unicodedata.normalize("NFKC", answer).translate(SIGNS)
    text = MONEY.sub("", text.strip())
    text = TEXT_COMMAND.sub(r"\1", NOISE.sub("", text))
    text = FRACTION.sub(_as_quotient, text)
    text = THOUSANDS.sub("", text)
    text = DEFINITION.sub("", text, count=1) if DEFINITION.match(text) else text
    return " ".join(text.split()).strip(" .").casefold()


def number(normal: str) -> Fraction | None:
    """The exact value of a normal text that is an integer, a decimal or a fraction."""
    text = normal.replace(" ", "").replace("(", "").replace(")", "")
    if len(text) > LONGEST_NUMBER or not NUMBER.fullmatch(text):
        return None
    numerator, _, denominator = text.partition("/")
    if denominator and not int(denominator):
        return None
    return Fraction(numerator) / (int(denominator) if denominator else 1)


def _as_quotient(match: re.Match[str]) -> str:
    top, bottom = (match[1], match[2]) if match[1] is not None else (match[3], match[4])
    return f"{top}/{bottom}"
