"""Answers in words."""

from __future__ import annotations

import re

from a2r.answers.functions import CONSTANTS, FUNCTIONS, NUMBER_WORDS

COMMAND_TEXT = re.compile(r"\\(?:text[a-z]*|mbox|mathrm|mathbf|operatorname)\s*\{([^{}]*)\}")
MATHS = re.compile(r"\\(?!text|mbox|mathrm|mathbf|operatorname)[A-Za-z]+|[=^<>|]|\d\s*[*/+]\s*\d")
ARTICLE = re.compile(r"^(?:the|an|a)\s+(?=\w{2})")
JOINING = frozenset({"and", "or"})
SCALES = frozenset({"hundred", "thousand", "million", "billion", "trillion", "dozen"})
SHORT = (
    "no on up in it is of us we he me my to so ok at by do go if add ago all any art bet box boy"
    " buy cry dry egg few fly for got hot how ill its lot low not now off why"
)
SHORT_WORDS = frozenset(SHORT.split())
APART = re.compile(r"[^\w%'\-+/.:°€£¥₹#@&]+")


def looks_like_maths(text: str) -> bool:
    """Whether a text that the grammar cannot read is LaTeX rather than words."""
    return MATHS.search(text) is not None


def words(text: str) -> str:
    """A text as words: lower case, single spaces, no punctuation around words, no article."""
    text = COMMAND_TEXT.sub(r" \1 ", text)
    pieces = (piece.strip(".:'-/") for piece in APART.split(text.casefold()))
    joined = " ".join(piece for piece in pieces if piece)
    return ARTICLE.sub("", joined) or " ".join(text.split())


def is_spoken(text: str) -> bool:
    """Whether a text is words alone: nothing in it is a number, an operator or a name in maths."""
    pieces = COMMAND_TEXT.sub(r" \1 ", text).replace("-", " ").split()
    if not pieces or not all(piece.strip("'.,").replace("'", "").isalpha() for piece in pieces):
        return False
    return any(is_word(piece.strip("'.,")) for piece in pieces)


def is_word(piece: str) -> bool:
    """Whether letters are a word, and neither a name in mathematics nor a product of variables."""
    lower = piece.lower()
    if len(piece) < 2 or piece in FUNCTIONS or lower in CONSTANTS or lower in JOINING:
        return False
    if lower in NUMBER_WORDS or lower in SCALES:
        return False
    if len(piece) > 3:
        return True
    # ab, xyz and AB are products or names of points; no and red are words.
    return lower in SHORT_WORDS or (len(piece) == 3 and not piece.isupper() and _has_vowel(lower))


def _has_vowel(word: str) -> bool:
    return any(letter in "aeiou" for letter in word) and "".join(sorted(word)) != word
