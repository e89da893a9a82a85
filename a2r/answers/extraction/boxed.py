r"""Finding `\boxed{…}` with nested braces, and values that are boxed one by one."""

from __future__ import annotations

import re
from dataclasses import dataclass

BOX = re.compile(r"\\(?:boxed|fbox|framebox)\s*(?P<brace>\{)?")
BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
BARE = re.compile(r"[^\s${}\\]+")
CONJUNCTIONS = frozenset({"and", "or", "und", "oder", "et", "ou", "和", "或", "与"})
CONTRAST = re.compile(
    r"\b(?:but|however|then|so|wait|actually|instead|not|finally|therefore|thus|hence|which|that)\b"
)
MAX_GAP = 40
PLACEHOLDER = re.compile(
    r"[.…?_\s\\,;:!~]*|(?:\\text\s*\{)?\s*[<\[(]?(?:your|the|final|my|insert|put)?[\s_]*(?:final[\s_]*)?"
    r"(?:answer|result|solution|value|number|letter|ANSWER)(?:[\s_]*(?:here"
    r"|goes here))?[>\])]?\s*\}?"
    r"|\\(?:cdots|ldots|dots|text\s*\{\s*\}|phantom\{.*\})",
    re.IGNORECASE,
)
LABEL = re.compile(r"^(?:\\text\s*\{)?\s*(?:final\s+)?answer\s*[:=]\s*\}?\s*", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Box:
    """A box that holds something: its content, and where it begins and ends."""

    content: str
    start: int
    end: int


def last_box(text: str) -> Box | None:
    r"""The last box that is an answer; `None` if there is none.

    Boxes joined by a comma or `and` are one: `\boxed{1} and \boxed{2}` holds `1, 2`. Empty boxes
    and placeholders do not count, nor does one whose brace is never closed; `\boxed 5` holds `5`.
    Takes time linear in the length of the text.
    """
    found = find_boxes(text)
    if not found:
        return None
    group = [found[-1]]
    for box in reversed(found[:-1]):
        if not _joined(text[box.end : group[0].start], box, group[0]):
            break
        group.insert(0, box)
    contents = list(dict.fromkeys(box.content for box in group))
    return Box(content=", ".join(contents), start=group[0].start, end=group[-1].end)


def find_boxes(text: str) -> list[Box]:
    """The boxes of a text that hold something, in order; the innermost of nested ones."""
    matches = list(BOX.finditer(text))
    closing = _closing_braces(text) if matches else {}
    found: list[Box] = []
    for match in matches:
        if match["brace"]:
            end = closing.get(match.end() - 1)
            content = "" if end is None else text[match.end() : end]
            end = match.end() if end is None else end + 1
        else:
            bare = BARE.match(text, match.end())
            content = bare[0].rstrip(".,;)") if bare else ""
            end = bare.end() if bare else match.end()
        content = LABEL.sub("", content.strip()).strip()
        if BOX.search(content) or PLACEHOLDER.fullmatch(content):
            continue
        found.append(Box(content=content, start=match.start(), end=end))
    return found


def _joined(between: str, first: Box, second: Box) -> bool:
    """Whether what stands between two boxes makes them one list."""
    if len(between) > MAX_GAP or re.search(r"[.!?]\s|\n\s*\n", between):
        return False
    if first.content == second.content:
        return False
    if CONTRAST.search(between):
        return False
    words = set(re.findall(r"[^\W\d_]{2,}", re.sub(r"\\[A-Za-z]+", " ", between)))
    return not words or bool(words & CONJUNCTIONS)


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
