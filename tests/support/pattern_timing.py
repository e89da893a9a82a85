"""The growth of the time that a function or a pattern takes on texts that grow."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial

from tests.support.pattern_attacks import attacks
from tests.support.pattern_catalog import SEARCHES, UsedPattern

# Four times the time if it is linear, sixteen times if it is quadratic.
LARGER = 4
MAX_GROWTH = 8.0
PATTERN_CHARACTERS = 2048
REPEATS = 3
# Slower than this for one character, a pattern is suspicious, and its growth is measured.
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
            run = partial(_run, used.pattern, method)
            seconds = duration(run, attack.text(size))
            if seconds > SUSPICIOUS_SECONDS * size and grows(run, attack.text, PATTERN_CHARACTERS):
                yield f"{used.names[0]}.{method}: {attack}"


def grows(run: Callable[[str], object], text: Callable[[int], str], size: int) -> bool:
    """Whether the time grows faster than the text, in each of several measurements.

    Args:
        run: the function that takes the time.
        text: makes a text of about the given length.
        size: the length of the smaller text.
    """
    small, large = text(size), text(LARGER * size)
    for _ in range(REPEATS):
        before = min(duration(run, small) for _ in range(REPEATS))
        if duration(run, large) < MAX_GROWTH * before:
            return False
    return True


def duration(run: Callable[[str], object], text: str) -> float:
    """The CPU seconds of one call."""
    start = time.thread_time()
    run(text)
    return time.thread_time() - start


def _run(pattern: re.Pattern[str], method: str, text: str) -> None:
    found = getattr(pattern, method)(text)
    if method == "finditer":
        deque(found, maxlen=0)
