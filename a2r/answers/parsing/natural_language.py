"""Answers in words: normalization, and telling words from names in formulas."""

from __future__ import annotations

import re

from a2r.answers.parsing.known_functions import CONSTANTS, FUNCTIONS, NUMBER_WORDS

COMMAND_TEXT = re.compile(r"\\(?:text[a-z]*|mbox|mathrm|mathbf|operatorname)\s*\{([^{}]*)\}")
MATH = re.compile(r"\\(?!text|mbox|mathrm|mathbf|operatorname)[A-Za-z]+|[=^<>|]|\d\s*[*/+]\s*\d")
ARTICLE = re.compile(r"^(?:the|an|a)\s+(?=\w{2})")
PREFIX_FUNCTIONS = ("sin", "cos", "tan", "ln", "log")
CONJUNCTIONS = frozenset({"and", "or"})
SCALES = frozenset({"hundred", "thousand", "million", "billion", "trillion", "dozen"})
SHORT = (
    "no on up in it is of us we he me my to so ok at by do go if add ago all any art bet box boy"
    " buy cry dry egg few fly for got hot how ill its lot low not now off why"
    " am an as be hi or"
)
CAPITALS = frozenset({"yes", "none", "true", "both", "even", "false", "odd", "only", "zero"})
SHORT_WORDS = frozenset(SHORT.split())
ROMAN_NUMERALS = frozenset({"ii", "iii", "iv", "vi", "vii", "viii"})
PAIRS_OF_LETTERS = re.compile(r"(?:([a-z])\1)+")
LETTERS = re.compile(r"[^\W\d_]{2,}")
EMPHASIS = re.compile(r"(\*\*)(?=\S)(.+?)(?<=\S)\*\*")
# From this length on, a word in capitals is prose and not a sequence of letters or a symbol.
MIN_CAPITALS = 5


def looks_like_math(text: str) -> bool:
    """Whether a text that the grammar cannot parse is LaTeX rather than words."""
    return MATH.search(text) is not None


def normalized_words(text: str) -> str:
    """A text in words: single spaces, the case of prose words folded, no leading article.

    Nothing else is dropped: signs, brackets and symbols distinguish texts.
    """
    text = EMPHASIS.sub(r"\2", COMMAND_TEXT.sub(r" \1 ", text))
    joined = LETTERS.sub(lambda match: _fold_case(match[0]), " ".join(text.split()))
    return ARTICLE.sub("", joined)


def _fold_case(word: str) -> str:
    """A prose word in lower case; symbols such as CO, pH and mW, and letters such as ABC, as is."""
    lower = word.lower()
    if len(word) == 2:
        return lower if lower in SHORT_WORDS else word
    if word.istitle() or word.islower():
        return lower
    if PAIRS_OF_LETTERS.fullmatch(lower):
        # A genotype such as AABBCC.
        return word
    known = lower in SHORT_WORDS or lower in CAPITALS
    return lower if word.isupper() and (known or len(word) >= MIN_CAPITALS) else word


def is_spoken(text: str) -> bool:
    """Whether a text is words only, without numbers, operators and mathematical names."""
    pieces = COMMAND_TEXT.sub(r" \1 ", text).replace("-", " ").split()
    if not pieces or not all(piece.strip("'.,").replace("'", "").isalpha() for piece in pieces):
        return False
    words = [piece.strip("'.,") for piece in pieces]
    if any(len(word) > 1 and word.isupper() for word in words):
        # ABC is a sequence of letters or a name; as a product it would equal CBA.
        return True
    several = len(words) > 1 and any(len(word) > 1 and not _is_name(word) for word in words)
    return several or any(is_word(word) for word in words)


def _is_name(word: str) -> bool:
    lower = word.lower()
    known = word in FUNCTIONS or lower in CONSTANTS or lower in NUMBER_WORDS
    return known or lower in CONJUNCTIONS or lower in SCALES


def is_word(piece: str) -> bool:
    """Whether letters are a word rather than a mathematical name or a product of variables."""
    lower = piece.lower()
    if len(piece) > 1 and (not piece.isascii() or lower in ROMAN_NUMERALS):
        return True
    if len(piece) < 2 or piece in FUNCTIONS or lower in CONSTANTS or lower in CONJUNCTIONS:
        return False
    if lower in NUMBER_WORDS or lower in SCALES or piece[:-1] in PREFIX_FUNCTIONS:
        return False
    if len(piece) > 3:
        return True
    # ab, xyz and AB are products or names of points; no and red are words.
    return lower in SHORT_WORDS or (len(piece) == 3 and not piece.isupper() and _has_vowel(lower))


def _has_vowel(word: str) -> bool:
    return any(letter in "aeiou" for letter in word) and "".join(sorted(word)) != word
