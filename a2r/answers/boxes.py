r"""Finding `\boxed{…}` with nested braces."""

from __future__ import annotations

import re

BOX = re.compile(r"\\(?:boxed|fbox)\s*(?P<brace>\{)?")
BARE = re.compile(r"[^\s${}\\]+")


def last_box(text: str) -> str | None:
    r"""The content of the last box that holds something; `None` if there is none.

    A box whose brace is never closed does not count; `\boxed 5` holds `5`.
    """
    for match in reversed(list(BOX.finditer(text))):
        content = (
            _to_closing_brace(text, match.end()) if match["brace"] else _bare(text, match.end())
        )
        if content and content.strip():
            return content.strip()
    return None


def _to_closing_brace(text: str, start: int) -> str | None:
    depth = 1
    position = start
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 1
        elif character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
            if depth == 0:
                return text[start:position]
        position += 1
    return None


def _bare(text: str, start: int) -> str | None:
    match = BARE.match(text, start)
    return match[0].rstrip(".,;") if match else None
