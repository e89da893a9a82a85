"""Remove reasoning, special tokens and later turns from the text of a model."""

from __future__ import annotations

import re

from a2r._internal.reasoning import split_reasoning
from a2r._internal.reasoning.tags import TURN_TOKEN

# Within a line, `split_reasoning` leaves the tokens that end a turn: they may be text.
TURN_IN_LINE = re.compile(rf"(?i:{TURN_TOKEN.pattern})(?=[ \t]+[^\sa-z|=:(/&+–—-])")
LATER_TURN = re.compile(r"\n[ \t]{0,8}\n(?:Human|User)\s?:")
WRAPPER = re.compile(r"</?(?:solution|response)>", re.IGNORECASE)
SHORT_SOLUTION = re.compile(r"<solution>([^<\n]{1,200})</solution>", re.IGNORECASE)
ANSWER_OPENING = re.compile(r"<answer>", re.IGNORECASE)
ANSWER_CLOSING = re.compile(r"</answer>", re.IGNORECASE)
CODE = re.compile(r"(^[ \t]*```.*?(?:^[ \t]*```|\Z)|`[^`\n]{1,200}`)", re.MULTILINE | re.DOTALL)


def strip_reasoning(text: str) -> str:
    """The text without its reasoning, up to the first token that ends the turn of the model."""
    _, answer = split_reasoning(text)
    if "<" in answer:
        answer = _strip_wrappers(answer)
    start = 0
    for turn, end in _later_turns(answer):
        if answer[start:turn].strip():
            return answer[start:turn].strip()
        start = end
    return answer[start:].strip()


def _later_turns(text: str) -> list[tuple[int, int]]:
    """The start and end of what starts another turn, in order."""
    tokens = (
        m
        for m in TURN_IN_LINE.finditer(text)
        if text[max(0, m.start() - 1) : m.start()] in (" ", "\t")
    )
    return sorted(match.span() for match in (*LATER_TURN.finditer(text), *tokens))


def _strip_wrappers(text: str) -> str:
    """The text without the tags around an answer, outside of code; `<answer>` stays if closed."""
    parts = CODE.split(text)
    parts[::2] = [
        WRAPPER.sub("\n", SHORT_SOLUTION.sub(r"<answer>\1</answer>", part)) for part in parts[::2]
    ]
    if not any(map(ANSWER_OPENING.search, parts[::2])):
        parts[::2] = [ANSWER_CLOSING.sub("\n", part) for part in parts[::2]]
    return "".join(parts).strip()
