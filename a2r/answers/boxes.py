r"""Finding `\boxed{…}` with nested braces."""

from __future__ import annotations

import re

BOX = re.compile(r"\\(?:boxed|fbox)\s*(?P<brace>\{)?")
BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
BARE = re.compile(r"[^\s${}\\]+")


def last_box(text: str) -> str | None:
    r"""The content of the last box that holds something; `None` if there is none.

    A box whose brace is never closed does not count; `\boxed 5` holds `5`. Takes time linear in
    the length of the text.
    """
    boxes = list(BOX.finditer(text))
    closing = _closing_braces(text) if boxes else {}
    for match in reversed(boxes):
        if match["brace"]:
            end = closing.get(match.end() - 1)
            content = None if end is None else text[match.end() : end]
        else:
            bare = BARE.match(text, match.end())
            content = bare[0].rstrip(".,;") if bare else None
        if content and content.strip():
            return content.strip()
    return None


def _closing_braces(text: str) -> dict[int, int]:
    """The position of each opening brace, and of the one that closes it; escaped ones are text."""
    closing: dict[int, int] = {}
    opened: list[int] = []
    for match in BRACE.finditer(text):
        if match[0] == "{":
            opened.append(match.start())
        elif match[0] == "}" and opened:
            closing[opened.pop()] = match.start()
    return closing
