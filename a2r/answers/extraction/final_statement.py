"""The value that the last sentence of a calculation in prose arrives at."""

from __future__ import annotations

import re

from a2r.answers.extraction.claims import CLAUSES, COMPARED, COPULA, MAX_CLAIM_CHARACTERS
from a2r.answers.extraction.conclusions import (
    CHATTER,
    DENIAL,
    ENDS,
    RESULT,
    SEPARATOR_LINE,
    STEP_START,
    last_lines,
    sentences,
)
from a2r.answers.extraction.values import (
    AFTER_UNIT,
    EMOJI,
    EQUALS,
    emphasized_value,
    is_incomplete,
    is_mathematics,
    only_quantity,
    shorten_claim,
    strip_formatting,
    unemphasized,
)
from a2r.answers.parsing.answer_parser import parse_answer

# What follows is the consequence of what precedes.
CONSEQUENCE = re.compile(
    r"(?:[,;]|(?<!\s))\s++(?:so|therefore|thus|hence|which means(?: that)?|and so|meaning)\s+"
    r"|⟹|\\implies|=>|⇒"
)
PLAN = re.compile(
    r"^(?:first|next|then we (?:need|have)|we (?:need|must|want|can|should)|let\b|given|suppose"
    r"|assume|consider|question|note)\b",
    re.IGNORECASE,
)
# What marks the last sentence of a text as its result.
TOTAL = re.compile(
    r"\b(?:left|remain(?:s|ing)?|in total|altogether|in all|overall)\b"
    r"|^(?:the|his|her|their|its)\s(?:\w+\s)?(?:total|sum|result|difference|product|average"
    r"|number of|amount"
    r"|value|remainder|quotient)\b",
    re.IGNORECASE,
)
# The item of a list with a total, and a displayed formula.
TOTAL_ITEM = re.compile(
    r"^\s*[-*•]\s+(?:[^:\n]{0,40}\s)?(?:total|remaining|left|answer|result"
    r"|number of [^:\n]{1,40})\s*[:：=]\s*(\S.*)$",
    re.IGNORECASE,
)
DISPLAYED = re.compile(r"\$\$([^$]+)\$\$[.\s]*$|\\\[((?:(?!\\\[).)+?)\\\][.\s]*$")
VARIABLE = re.compile(r"(?<![\\A-Za-z])[A-Za-z](?![A-Za-z])|&")
MAX_CHAIN_CHARACTERS = 80


def final_statement(text: str) -> str | None:
    """The result that the last sentence of a text states, such as 18 of `There are 18 left.`.

    It is a sentence about a total or a rest, one with an emphasized number, or a calculation.
    `None` if the text is cut off in a sentence.
    """
    line = _last_line(text)
    if line is None:
        return None
    displayed = DISPLAYED.search(line)
    if displayed:
        formula = displayed[1] or displayed[2]
        return _first_value(_results(formula)) if not VARIABLE.search(formula) else None
    item = TOTAL_ITEM.match(unemphasized(line))
    if item:
        return _first_value([item[1]])
    if STEP_START.match(line):
        return None
    number = emphasized_value(line)
    if number is not None and not DENIAL.search(line):
        return number
    if not line.rstrip(" *_$)\\]✅").endswith(ENDS) and "=" not in line:
        return None
    sentence = _last_sentence(line)
    if sentence is None:
        return None
    if TOTAL.search(sentence):
        return stated_value(sentence)
    return _first_value(_results(_consequence(sentence))) if _is_statement(sentence) else None


def prose_value(text: str) -> str | None:
    """The value of the last sentence after a label such as `Answer:`."""
    line = _last_line(text)
    sentence = None if line is None else _last_sentence(line)
    return None if sentence is None else stated_value(sentence)


def last_solved(text: str) -> str | None:
    """The value of the last line of equations, if it is solved: 7 of `x = 7`."""
    line = _last_line(text)
    content = "" if line is None else strip_formatting(unemphasized(line))
    if not is_mathematics(content) or not EQUALS.search(content):
        return None
    return shorten_claim(content) if parse_answer(content).head == "assign" else None


def stated_value(sentence: str) -> str | None:
    """The value of a sentence: the end of its chain, its complement, or its only number."""
    if not _is_statement(sentence):
        return None
    plain = _consequence(sentence)
    whole = [plain] if EQUALS.search(plain) else []
    complement = COPULA.split(plain)[1:][-1:]
    return _first_value([*whole, *_results(plain), *complement]) or only_quantity(plain)


def _last_line(text: str) -> str | None:
    lines = (
        line
        for line in (EMOJI.sub("", line).rstrip() for line in reversed(last_lines(text)))
        if not SEPARATOR_LINE.match(line) and not CHATTER.match(line)
    )
    return next(lines, None)


def _last_sentence(line: str) -> str | None:
    matching = (s for s in reversed(sentences(unemphasized(line))) if not CHATTER.match(s))
    return next(matching, None)


def _consequence(sentence: str) -> str:
    """The sentence without what its result follows from, and without remarks."""
    return CLAUSES.sub("", COMPARED.sub("", CONSEQUENCE.split(sentence)[-1].strip()))


def _is_statement(sentence: str) -> bool:
    return (
        0 < len(sentence) <= MAX_CLAIM_CHARACTERS
        and not DENIAL.search(sentence)
        and not PLAN.match(sentence)
        and not sentence.endswith(("?", ":", "？", "："))
        and not is_incomplete(sentence)
    )


def _first_value(candidates: list[str]) -> str | None:
    """The value of the first candidate that is one."""
    for candidate in candidates:
        value = strip_formatting(AFTER_UNIT.split(candidate.strip())[0])
        if value and is_mathematics(value):
            return shorten_claim(value)
    return None


def _results(sentence: str) -> list[str]:
    """The ends of a sentence that are results: after `which makes`, and after the last `=`."""
    result = RESULT.search(sentence)
    results = [] if result is None else [result[1]]
    chain = EQUALS.split(sentence)
    if len(chain) > 1 and len(chain[-1]) <= MAX_CHAIN_CHARACTERS and re.search(r"\d", chain[-2]):
        results.append(chain[-1])
    return results
