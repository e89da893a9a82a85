"""Parser of an answer: from its text to a syntax tree, for all kinds of content."""

from __future__ import annotations

import re
from functools import lru_cache

from a2r.answers.errors import TooDeepError, UnreadableError
from a2r.answers.parsing.answer_grammar import AnswerParser
from a2r.answers.parsing.dates import parse_date_or_time
from a2r.answers.parsing.expression import (
    Term,
    depth,
    number,
    symbol,
)
from a2r.answers.parsing.natural_language import (
    is_spoken,
    is_word,
    looks_like_math,
    normalized_words,
)
from a2r.answers.parsing.normalize import normalize
from a2r.answers.parsing.numerals import spelled_number
from a2r.answers.parsing.sequences import is_sequence
from a2r.answers.parsing.tokenizer import tokenize
from a2r.answers.parsing.units import is_known_unit

MAX_CHARACTERS, MAX_TERM_DEPTH = 4000, 120
# An answer is parsed several times, and the answers of other samples are often the same.
MAX_CACHED_TERMS, MAX_CACHED_CHARACTERS = 1024, 100
ALL_REALS = frozenset({"all real numbers", "all reals", "all real x", "the real numbers"})
MINUS = re.compile(r"(?:minus|negative)\s+(?=\d)", re.IGNORECASE)
SLASHED_DATE = re.compile(r"\d{1,2}/\d{1,2}/(?:\d{2}|\d{4})")
OTHER_BASE = re.compile(r"0([xXbBoO])([0-9A-Fa-f]+)")
BASES = {"x": 16, "b": 2, "o": 8}
LABEL = re.compile(
    r"(?:[A-Z]?[a-z]{3,}(?: [a-z]{2,}){0,3}|[A-Z]\([A-Za-z0-9 ,=|<>]{1,20}\))\s?=\s?(?=[^=])"
)
UNIT = r"\{\s*(?:\\(?:text|mathrm)\s*\{)?\s*([A-Za-z]+(?:\^\{?\d\}?)?)\s*\}?\s*\}"
UNIT_FRACTION = re.compile(rf"(?<=[\d.])\s*\\[dt]?frac\s*{UNIT}\s*{UNIT}$")
APPROXIMATE_REMARK = re.compile(
    r"(?<=\d)\s*\((?:approx\.?|approximately|rounded|about)\)$", re.IGNORECASE
)
HOURS_AND_MINUTES = re.compile(r"(\d{1,4})\s?h\s?(\d{1,2})\s?m(?:in)?(?:\s?(\d{1,2})\s?s)?")
LABELLED = re.compile(r"([A-Za-z][A-Za-z' .-]{1,30}[A-Za-z])\s?[=:]\s?([^=:]+)")
BRACKET_OR_SEPARATOR = re.compile(r"[(\[{)\]}]|[,;](?!\d{3}(?!\d))|\s(?:and|&)\s")
WRAPPED_TEXT = re.compile(r"\\(?:text[a-z]*|mbox|hbox|mathrm)\s*\{([^{}]*)\}")
APPROXIMATELY = (
    "approximately",
    "approx",
    "about",
    "roughly",
    "around",
    "nearly",
    "exactly",
)


def parse_answer(text: str) -> Term:
    """The syntax tree of an answer: `opaque` for LaTeX outside the grammar, `text` for words.

    Takes time linear in the length of the text; a text of more than 4000 characters is `text`.
    """
    if len(text) <= MAX_CACHED_CHARACTERS:
        return _parse_cached(text)
    return _parse(text)


@lru_cache(maxsize=MAX_CACHED_TERMS)
def _parse_cached(text: str) -> Term:
    return _parse(text)


def _parse(text: str) -> Term:
    if len(text) > MAX_CHARACTERS:
        return Term("text", value=text.strip())
    cleaned = UNIT_FRACTION.sub(_inline_unit, APPROXIMATE_REMARK.sub("", normalize(text)))
    literal = parse_date_or_time(cleaned) or _digit_literal(cleaned)
    if literal is not None:
        return literal
    if MINUS.match(cleaned):
        cleaned = MINUS.sub("-", cleaned)
    value = spelled_number(cleaned)
    if value is not None:
        return number(value)
    wrapped = WRAPPED_TEXT.fullmatch(cleaned)
    if wrapped:
        return parse_answer(wrapped[1])
    if is_sequence(cleaned):
        return Term("text", value=" ".join(cleaned.split()))
    labelled = _labelled_values(cleaned)
    if labelled is not None:
        return labelled
    label = LABEL.match(cleaned)
    if label and _is_label(label[0]) and not _recurs(label[0], cleaned[label.end() :]):
        return parse_answer(cleaned[label.end() :])
    if cleaned.lower() in ALL_REALS:
        return symbol("numbers R")
    if is_spoken(cleaned):
        return Term("text", value=normalized_words(cleaned))
    try:
        bare = _without_adverb(cleaned)
        if bare != cleaned:
            return parse_answer(bare)
        term = AnswerParser(tokenize(cleaned)).answer()
        if depth(term) <= MAX_TERM_DEPTH:
            return term
        return Term("text", value=cleaned)
    except TooDeepError:
        return Term("text", value=cleaned)
    except UnreadableError:
        pass
    if looks_like_math(cleaned):
        return Term("opaque", value=_spelled(cleaned) or " ".join(cleaned.split()))
    return Term("text", value=normalized_words(cleaned))


def _inline_unit(match: re.Match[str]) -> str:
    r"""A unit as a fraction, such as `\frac{m}{s^2}` after a number, as `m/s^2`."""
    top, bottom = match[1], match[2]
    known = is_known_unit(top) and is_known_unit(re.split(r"[\d^]", bottom)[0])
    return f" {top}/{bottom}" if known else match[0]


def _digit_literal(text: str) -> Term | None:
    """A literal that only looks like arithmetic: a date in digits, a number in another base."""
    if SLASHED_DATE.fullmatch(text):
        # The order of day and month depends on the country, leading zeros do not count.
        return Term("date", value="/".join(part.zfill(2) for part in text.split("/")))
    hours = HOURS_AND_MINUTES.fullmatch(text)
    if hours is not None:
        units = zip(hours.groups(), ("h^1", "min^1", "s^1"), strict=True)
        parts = (Term("quantity", (number(int(n)),), unit) for n, unit in units if n)
        return Term("quantities", tuple(parts))
    based = OTHER_BASE.fullmatch(text)
    if based is None:
        return None
    digits = based[2].upper().lstrip("0") or "0"
    return Term("based", value=f"{digits}_{BASES[based[1].lower()]}")


def _spelled(text: str) -> str:
    """A formula outside the grammar, with single spaces where tokens would be one without.

    Empty if it has no tokens.
    """
    spelled = ""
    try:
        tokens = tokenize(text)
    except UnreadableError:
        return ""
    for token in tokens:
        word = f"\\text{{{token.value}}}" if token.type == "text" else token.value
        last, first = spelled[-1:], word[:1]
        joins = (last.isalpha() and first.isalpha()) or (last.isdigit() and first.isdigit())
        indexed = token.spaced and last.isalpha() and first.isdigit() and "\\" not in spelled[-9:]
        spelled += f" {word}" if joins or indexed else word
    return spelled


def _labelled_values(text: str) -> Term | None:
    """A list such as `mean = 5, median = 3` or `Ann: 3, Bob: 5` as a system; otherwise `None`."""
    parts = _split_list(text)
    matches = [LABELLED.fullmatch(part) for part in parts]
    if len(parts) < 2 or not all(matches):
        return None
    pairs = [(normalized_words(m[1]), parse_answer(m[2])) for m in matches if m]
    names = {name for name, _ in pairs}
    if len(names) < len(pairs) or any(value.head in ("text", "opaque") for _, value in pairs):
        return None
    return Term("system", tuple(Term("assign", (value,), name) for name, value in pairs))


def _split_list(text: str) -> list[str]:
    """The parts between commas, semicolons or `and` outside of brackets."""
    parts, depth, start = [], 0, 0
    for match in BRACKET_OR_SEPARATOR.finditer(text):
        if match[0] in "([{":
            depth += 1
        elif match[0] in ")]}":
            depth -= 1
        elif depth == 0:
            parts.append(text[start : match.start()].strip())
            start = match.end()
    return [part for part in (*parts, text[start:].strip()) if part]


def _is_label(label: str) -> bool:
    """Whether a label is prose or a function's value, and no formula such as `sin xy`."""
    words = label.rstrip("= ")
    if "(" in words:
        return True
    return all(is_word(word) for word in words.split()) and words.split()[0] != "not"


def _recurs(label: str, rest: str) -> bool:
    """Whether a label is more than the name of a value: another one or its function follows."""
    return "=" in rest or f"{label[0]}(" in rest


def _without_adverb(text: str) -> str:
    first, _, rest = text.partition(" ")
    return rest if first.lower().lstrip("\\") in APPROXIMATELY and rest else text
