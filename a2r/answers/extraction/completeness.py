"""Whether a text is complete by its own form, where the server does not say how it ended."""

from __future__ import annotations

import json
import re

from a2r.answers.extraction.announced import announced_answer
from a2r.answers.extraction.boxed import BOX, find_boxes
from a2r.answers.extraction.code_blocks import fenced_blocks
from a2r.answers.extraction.conclusions import answer_in_line, last_lines
from a2r.answers.extraction.values import is_incomplete

ENDED = re.compile(r"[.!?。！？:)\]}$*_\"'`”’]\Z")
# A choice alone on the last line: `(B)`, `**C**`.
LETTER = re.compile(r"[\s>*_(\[]*[A-Z][\s*_)\].]*")
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
FULL_STOPS = (".", "!", "?", "。", "！", "？")
# An operator, a comma or an opening bracket continues; so does a command of LaTeX without content.
CONTINUES = re.compile(r"(?:[-+/^=<,;(\[{\\×÷·−–—]|\\(?:times|cdot|frac|sqrt|text|left|pm))\Z")


def is_complete(text: str) -> bool:
    r"""Whether a text ends with a closed `\boxed{…}`, JSON document or code block, or a conclusion.

    A box also counts if the rest of its line or complete sentences follow.
    """
    text = text.strip()
    if not text or _has_open_block(text):
        return False
    if BOX.search(text):
        return _ends_after_box(text)
    return text.endswith(("```", "~~~")) or _is_json(text) or _concludes(text)


def _has_open_block(text: str) -> bool:
    blocks = fenced_blocks(text)
    return bool(blocks) and not blocks[-1].closed


def _ends_after_box(text: str) -> bool:
    boxes = find_boxes(text)
    opened = [match.start() for match in BOX.finditer(text)]
    if not boxes or boxes[-1].start != opened[-1]:
        # The last box is not closed, or a placeholder.
        return False
    rest = text[boxes[-1].end :].strip()
    return not CONTINUES.search(rest) and ("\n" not in rest or ENDED.search(rest) is not None)


def _is_json(text: str) -> bool:
    """Whether the text is a JSON object or array, or ends with an object after other text."""
    starts = [0] if text.startswith(("{", "[")) else [text.find("{")]
    return text.endswith(("}", "]")) and any(
        start >= 0 and _is_document(text[start:]) for start in starts
    )


def _is_document(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False


def _concludes(text: str) -> bool:
    lines = last_lines(text)
    line = lines[-1].rstrip()
    if not line.rstrip(" *_$)\"'").endswith(FULL_STOPS):
        # An unfinished sentence follows the conclusion.
        line = SENTENCE.split(line)[-1]
    if CONTINUES.search(line) or is_incomplete(line.rstrip(" .*_$")):
        return False
    if LETTER.fullmatch(line) or announced_answer(line, words=True, numeric=True):
        return True
    return answer_in_line(line, words=False, alone=len(lines) == 1) is not None
