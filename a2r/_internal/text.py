"""Make text of models and servers safe for terminals, log lines and JSON."""

from __future__ import annotations

import re

MAX_LINE_CHARACTERS = 1000
CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def replace_surrogates(text: str) -> str:
    """Return the text as valid Unicode: join split surrogate pairs, replace lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def strip_control_characters(text: str) -> str:
    """Return the text without control characters, except newlines and tabs."""
    return CONTROL_CHARACTERS.sub("", text)


def one_line(text: str, width: int = MAX_LINE_CHARACTERS) -> str:
    """Return the printable characters of a text on one line, at most `width` characters."""
    printable = (c if c.isprintable() else " " for c in replace_surrogates(text))
    line = " ".join("".join(printable).split())
    return line if len(line) <= width else f"{line[: width - 1]}…"
