"""Texts in which the order counts though they look like formulas: codes, moves, ranges, sizes."""

from __future__ import annotations

import re

NUMBER = r"\d+(?:\.\d+)?"
SEQUENCES = tuple(
    re.compile(pattern)
    for pattern in (
        # Letters in an order: A B C, A-B-C, A1-B2-C3.
        r"[A-Z](?: [A-Z])+",
        r"[A-Z]\d?(?:-[A-Z]\d?)+",
        # Moves: R U R' U', O-O, 0-0-0.
        r"[A-Z]['2]?(?: [A-Z]['2]?)+",
        r"[O0](?:-[O0]){1,2}",
        # Numbers of telephones and books, results of games.
        r"\d+(?:-\d+){2,}",
        # Codes and chemical formulas: H1N1, CH3CN, Fe2O3.
        r"(?=(?:.*[A-Z]){2})(?=[A-Z\d]*?[A-Z]\d)[A-Z\d]+",
        r"(?=.*\d)(?:[A-Z][a-z]?\d*){2,}",
        # Ranges: 10%-20%, 3-5%, 1/4-1/2, -5-5.
        rf"{NUMBER}\s?\\?%\s?-\s?{NUMBER}\s?\\?%",
        rf"{NUMBER}-{NUMBER}\s?\\?%",
        r"\d+/\d+-\d+/\d+",
        r"-\d+-\d+",
        # Sizes and rates: 640 x 480 pixels, 120/80 mmHg, 6/8 time.
        rf"{NUMBER}\s*(?:[xX*]|\\times)\s*{NUMBER}\s+(?:\\text\s*\{{\s*)?[A-Za-z]{{2,}}\s*\}}?",
        r"\d+/\d+\s*(?:mm\s?Hg|time|vision)",
        # Roman numerals.
        r"\(?[ivx]{2,}\)?",
        # A strand of DNA.
        r"[35]'-[ACGTU]+-[35]'",
    )
)


def is_sequence(text: str) -> bool:
    """Whether a text is compared as it is written, rather than computed."""
    return any(pattern.fullmatch(text) for pattern in SEQUENCES)
