r"""Extract `\boxed{…}`, with nested braces and lists of boxes."""

from __future__ import annotations

import re
from dataclasses import dataclass

BOX = re.compile(r"\\(?:boxed|fbox|framebox)\s*(?P<brace>\{)?")
BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
BARE_CONTENT = re.compile(r"[^\s${}\\]+")
CONJUNCTIONS = frozenset({"and", "or", "und", "oder", "et", "ou", "和", "或", "与"})
CONTRAST = re.compile(
    r"\b(?:but|however|then|so|wait|actually|instead|not|finally|therefore|thus|hence|which|that)\b"
)
MAX_GAP = 40
PLACEHOLDER = re.compile(
    r"[.…?_\s\\,;:!~]*|(?:\\text\s*+\{)?\s*+[<\[(]?(?:your|the|final|my|insert|put)?[\s_]*+(?:final[\s_]*+)?"
    r"(?:answer|result|solution|value|number|letter|ANSWER)(?:[\s_]*+(?:here"
    r"|goes here))?[>\])]?\s*+\}?"
    r"|\\(?:cdots|ldots|dots|text\s*\{\s*\}|phantom\{.*\})",
    re.IGNORECASE,
)
LABEL = re.compile(r"^(?:\\text\s*\{)?\s*(?:final\s+)?answer\s*[:=]\s*\}?\s*", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Box:
    """A box with content, and its start and end in the text."""

    content: str
    start: int
    end: int


def last_box(text: str) -> Box | None:
    r"""The last box that holds an answer, or `None`.

    Boxes joined by a comma or `and` count as one: `\boxed{1} and \boxed{2}` holds `1, 2`, and
    `\boxed 5` holds `5`. Empty boxes, placeholders and boxes without a closing brace do not count.
    Takes time linear in the length of the text.
    """
    boxes = find_boxes(text)
    if not boxes:
        return None
    group = [boxes[-1]]
    for box in reversed(boxes[:-1]):
        if not _is_list(text[box.end : group[0].start], box, group[0]):
            break
        group.insert(0, box)
    contents = list(dict.fromkeys(box.content for box in group))
    return Box(content=", ".join(contents), start=group[0].start, end=group[-1].end)


def find_boxes(text: str) -> list[Box]:
    """The boxes of a text that have content, in order; only the innermost of nested boxes."""
    matches = list(BOX.finditer(text))
    closing = _closing_braces(text) if matches else {}
    boxes: list[Box] = []
    for match in matches:
        if match["brace"]:
            end = closing.get(match.end() - 1)
            content = "" if end is None else text[match.end() : end]
            end = match.end() if end is None else end + 1
        else:
            bare_content = BARE_CONTENT.match(text, match.end())
            content = bare_content[0].rstrip(".,;)") if bare_content else ""
            end = bare_content.end() if bare_content else match.end()
        content = LABEL.sub("", content.strip()).strip()
        if BOX.search(content) or PLACEHOLDER.fullmatch(content):
            continue
        boxes.append(Box(content=content, start=match.start(), end=end))
    return boxes


def _is_list(between: str, first: Box, second: Box) -> bool:
    """Whether the text between two boxes joins them into a list."""
    if len(between) > MAX_GAP or re.search(r"[.!?]\s|\n\s*\n", between):
        return False
    if first.content == second.content:
        return False
    if CONTRAST.search(between):
        return False
    words = set(re.findall(r"[^\W\d_]{2,}", re.sub(r"\\[A-Za-z]+", " ", between)))
    return not words or bool(words & CONJUNCTIONS)


def _closing_braces(text: str) -> dict[int, int]:
    """The positions of the opening braces and of their closing braces; escaped braces are text."""
    closing: dict[int, int] = {}
    open_braces: list[int] = []
    for match in BRACE.finditer(text):
        if match[0] == "{":
            open_braces.append(match.start())
        elif match[0] == "}" and open_braces:
            closing[open_braces.pop()] = match.start()
    return closing
