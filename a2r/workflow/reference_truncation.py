"""Fit references into a length: truncate the longest, omit what repeats an answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from a2r.workflow.reference import Reference

ELLIPSIS = " […] "
SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s+|\n+")
# Characters below which a truncated solution says little: omit one that repeats an answer.
MIN_TAIL_SENTENCES = 1200
MIN_CHARACTERS = 120
TAIL_SHARE = 0.4


def fit_to_length(references: Sequence[Reference], characters: int) -> list[Reference]:
    """The references within so many characters: the longest are truncated, duplicates go first.

    While an equal share leaves too little of each, the answer with the most references loses
    one; an answer loses its last one only when each has a single one, the fewest votes first.
    """
    selected = list(references)
    while selected:
        level = _level([len(reference.text) for reference in selected], characters)
        if level is None:
            return selected
        drop = _superfluous(selected, level)
        if drop is None:
            return [replace(ref, text=truncate(ref.text, level)) for ref in selected]
        selected.remove(drop)
    return selected


def truncate(text: str, characters: int) -> str:
    """The text cut at sentences to at most so many characters: its start, an ellipsis, its end."""
    if len(text) <= characters:
        return text
    room = characters - len(ELLIPSIS)
    if room <= 0:
        return text[-max(1, characters) :]
    tail = _tail(text, int(room * TAIL_SHARE))
    head = _head(text[: len(text) - len(tail)], room - len(tail))
    return f"{head.rstrip()}{ELLIPSIS}{tail.lstrip()}"


def _level(lengths: Sequence[int], room: int) -> int | None:
    """The length to which the longest are truncated so that all fit; `None` if all fit already."""
    if sum(lengths) <= room:
        return None
    left, level = room, 0
    for position, length in enumerate(sorted(lengths)):
        level = max(0, left) // (len(lengths) - position)
        if length > level:
            break
        left -= length
    return level


def _superfluous(references: Sequence[Reference], level: int) -> Reference | None:
    """The reference to omit before all are truncated to a level; `None` to truncate them."""
    if level >= MIN_TAIL_SENTENCES or len(references) == 1:
        return None
    sizes: dict[int | None, int] = {}
    for reference in references:
        sizes[reference.cluster] = sizes.get(reference.cluster, 0) + 1
    biggest = max(sizes.values())
    if biggest > 1:
        crowded = [ref for ref in references if sizes[ref.cluster] == biggest]
        return max(crowded, key=lambda ref: len(ref.text))
    if level >= MIN_CHARACTERS:
        return None
    return min(references, key=lambda ref: (ref.votes, -len(ref.text)))


def _tail(text: str, characters: int) -> str:
    """The last full sentences of a text; its last characters where one sentence is too long."""
    start = len(text)
    for end in reversed(list(SENTENCE_END.finditer(text))):
        if len(text) - end.end() > characters:
            break
        start = end.end()
    tail = text[start:]
    return tail if tail.strip() else text[-characters:] if characters > 0 else ""


def _head(text: str, characters: int) -> str:
    """The first full sentences of a text; its first characters where one sentence is too long."""
    stop = 0
    for end in SENTENCE_END.finditer(text):
        if end.start() > characters:
            break
        stop = end.start()
    return text[:stop] if stop else text[: max(0, characters)]
