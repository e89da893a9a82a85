"""Sanitizing the text of models and servers for terminals, log lines and JSON."""

from __future__ import annotations

import re

MAX_LINE_CHARACTERS = 1000
CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def replace_surrogates(text: str) -> str:
    """The text as valid Unicode: split surrogate pairs are joined, lone halves replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def strip_control_characters(text: str) -> str:
    """The text without control characters, except newlines and tabs."""
    return CONTROL_CHARACTERS.sub("", text)


def one_line(text: str, width: int = MAX_LINE_CHARACTERS) -> str:
    """The printable characters of a text on one line, at most `width` of them."""
    printable = (c if c.isprintable() else " " for c in replace_surrogates(text))
    line = " ".join("".join(printable).split())
    return line if len(line) <= width else f"{line[: width - 1]}…"
