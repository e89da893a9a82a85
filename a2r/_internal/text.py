"""Text of a model as a terminal may get it."""

from __future__ import annotations

import re

CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def replace_surrogates(text: str) -> str:
    """The text without control characters but for line ends and tabs."""
    return CONTROL_CHARACTERS.sub("", text)


def one_line(text: str, width: int) -> str:
    """The text on one line of at most `width` characters."""
    line = " ".join(replace_surrogates(text).split())
    return line if len(line) <= width else f"{line[: width - 1]}…"


MAX_MESSAGE_CHARACTERS = 1000


def sound(text: str) -> str:
    """The text without the halves of characters that models may write and UTF-8 has not."""
    return text.encode("utf-8", "replace").decode("utf-8")


def plain(text: str, most: int = MAX_MESSAGE_CHARACTERS) -> str:
    """The text on one line of at most `most` characters, all of them printable."""
    line = " ".join("".join(c if c.isprintable() else " " for c in sound(text)).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
