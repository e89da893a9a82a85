"""Text as it may be sent: valid Unicode, and messages on one line."""

from __future__ import annotations

LONGEST = 1000


def sound(text: str) -> str:
    """The text without the halves of characters that models may write and UTF-8 has not."""
    return text.encode("utf-8", "replace").decode("utf-8")


def plain(text: str, most: int = LONGEST) -> str:
    """The text on one line of at most `most` characters, all of them printable."""
    line = " ".join("".join(c if c.isprintable() else " " for c in sound(text)).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
