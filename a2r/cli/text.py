"""Text of a model as a terminal may get it."""

from __future__ import annotations

import re

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """The text without control characters but for line ends and tabs."""
    return CONTROL.sub("", text)


def one_line(text: str, width: int) -> str:
    """The text on one line of at most `width` characters."""
    line = " ".join(printable(text).split())
    return line if len(line) <= width else f"{line[: width - 1]}…"
