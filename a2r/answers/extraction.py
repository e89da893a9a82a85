"""Finding the final answer in the text of a sample."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from a2r.answers.boxes import last_box
from a2r.answers.choices import choice_letter
from a2r.models.thinking import split_thinking
from a2r.result import Kind

How = Literal["boxed", "phrase", "letter", "json", "code"]

PHRASE = re.compile(
    r"(?:\bfinal\s{1,3}answer\b|\bthe\s{1,3}(?:correct\s{1,3})?answer\b"
    r"|^[ \t>#*_]{0,12}answer\b|\*\*answer\b)[\s*_]{0,6}(?:is|:|：|=)[ \t*_:]{0,12}\n{0,2}",
    re.IGNORECASE | re.MULTILINE,
)
HASHES = re.compile(r"^\s*####\s*", re.MULTILINE)
FENCE = "```"
SENTENCE_END = re.compile(r"[.!?](?=\s+[A-Z(\"'])|;\s")
DRESS = "*_`\"'“”‘’ \t"
LONGEST_PHRASE = 200


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A final answer: its text, its kind, and how it was found."""

    text: str
    kind: Kind
    how: How


def extract(text: str, kind: Kind = "auto", question: str | None = None) -> Answer | None:
    """The final answer of a text, or `None` if it gives none; thinking never counts.

    Args:
        text: what a model wrote.
        kind: what is looked for; `auto` looks for a boxed answer, then for the usual phrases.
        question: the question, which names the options where the kind is `choice`.
    """
    _, visible = split_thinking(text)
    found = FINDERS[kind](visible)
    return None if found is None else Answer(text=found[0], kind=kind, how=found[1])


def _box_or_phrase(text: str) -> tuple[str, How] | None:
    box = last_box(text)
    return (box, "boxed") if box else _phrase(text)


def _phrase(text: str) -> tuple[str, How] | None:
    ends = [match.end() for pattern in (PHRASE, HASHES) for match in pattern.finditer(text)]
    for end in sorted(ends, reverse=True):
        line = text[end:].partition("\n")[0]
        answer = SENTENCE_END.split(line.strip(), maxsplit=1)[0]
        answer = _bare(answer)
        # "Put the answer within \\boxed{}" repeats the prompt; a filled box was found before.
        if answer and len(answer) <= LONGEST_PHRASE and "\\boxed" not in answer:
            return answer, "phrase"
    return None


def _bare(text: str) -> str:
    """The text without emphasis, quotes, the full stop, and the signs of a formula around it."""
    previous = None
    while text != previous:
        previous = text
        text = text.strip(DRESS).removesuffix(".").strip(DRESS)
        for left, right in (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")):
            if text.startswith(left) and text.endswith(right) and len(text) > len(left + right):
                inner = text[len(left) : -len(right)]
                text = text if left in inner else inner
    return text


def _choice(text: str) -> tuple[str, How] | None:
    box = last_box(text)
    letter = choice_letter(box, whole=True) if box else None
    if letter:
        return letter, "boxed"
    phrase = _phrase(text)
    letter = choice_letter(phrase[0], whole=False) if phrase else None
    if letter:
        return letter, "phrase"
    last_line = text.strip().rpartition("\n")[2]
    letter = choice_letter(last_line, whole=True)
    return (letter, "letter") if letter else None


def _json(text: str) -> tuple[str, How] | None:
    fenced = _fenced(text)
    for candidate in [*reversed(fenced), text]:
        try:
            value = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        return json.dumps(value, ensure_ascii=False, sort_keys=True), "json"
    return None


def _code(text: str) -> tuple[str, How] | None:
    bodies = [body.strip("\n") for body in _fenced(text)]
    return (bodies[-1], "code") if bodies and bodies[-1].strip() else None


def _fenced(text: str) -> list[str]:
    """The bodies of the fenced blocks that are closed, without the line that names a language."""
    pieces = text.split(FENCE)
    return [body.partition("\n")[2] for body in pieces[1:-1:2]]


FINDERS: Mapping[Kind, Callable[[str], tuple[str, How] | None]] = {
    "auto": _box_or_phrase,
    "math": _box_or_phrase,
    "text": _box_or_phrase,
    "choice": _choice,
    "json": _json,
    "code": _code,
}
