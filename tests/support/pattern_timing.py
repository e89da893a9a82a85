"""The growth of the time that a pattern takes on texts that grow."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Iterator

from tests.support.pattern_attacks import Attack, attacks
from tests.support.pattern_catalog import SEARCHES, UsedPattern

# Two doublings: four times the time if it is linear, sixteen times if it is quadratic.
SIZES = (2048, 8192)
MAX_GROWTH = 8.0
REPEATS = 3
# Slower than this for one character, a pattern is suspicious, and its growth is measured. A
# pattern that looks at each pair of characters takes longer in all texts of 1,000 characters.
SUSPICIOUS_SECONDS = 0.7e-6


def slow_attacks(used: UsedPattern, size: int) -> Iterator[str]:
    """The attacks on which the time grows faster than the text, as a description.

    Args:
        used: the pattern and its methods.
        size: the length of the texts that find the suspicious attacks.
    """
    searches = ("finditer",) if used.methods & SEARCHES else ()
    methods = (*searches, *sorted(used.methods & {"match", "fullmatch"}))
    for attack in attacks(used.pattern) if methods else ():
        for method in methods:
            seconds = duration(used.pattern, method, attack.text(size))
            if seconds > SUSPICIOUS_SECONDS * size and grows(used.pattern, method, attack):
                yield f"{used.names[0]}.{method}: {attack}"


def grows(pattern: re.Pattern[str], method: str, attack: Attack) -> bool:
    """Whether the time grows faster than the text, in each of several measurements."""
    small, large = (attack.text(size) for size in SIZES)
    for _ in range(REPEATS):
        before = min(duration(pattern, method, small) for _ in range(REPEATS))
        after = duration(pattern, method, large)
        if after < MAX_GROWTH * before:
            return False
    return True


def duration(pattern: re.Pattern[str], method: str, text: str) -> float:
    """The CPU seconds of one call; of all matches for a search."""
    start = time.thread_time()
    found = getattr(pattern, method)(text)
    if method == "finditer":
        deque(found, maxlen=0)
    return time.thread_time() - start
