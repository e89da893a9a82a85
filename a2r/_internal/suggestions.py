"""Suggestions for misspelled names in error messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MAX_LISTED_NAMES = 20
# No name is longer; comparing a longer word takes time.
MAX_WORD_CHARACTERS = 200


def suggestion(word: str, known: Iterable[str]) -> str:
    """`"; did you mean 'x'?"`; without a similar word, the known words if they are at most 20."""
    names = sorted(known)
    matches = difflib.get_close_matches(word[:MAX_WORD_CHARACTERS], names, n=1, cutoff=0.6)
    if matches:
        return f"; did you mean {matches[0]!r}?"
    return f"; known: {', '.join(names)}" if 0 < len(names) <= MAX_LISTED_NAMES else ""
