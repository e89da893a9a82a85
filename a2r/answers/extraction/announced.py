"""Extract the answer that a phrase, a label or a tag announces."""

from __future__ import annotations

import re

from a2r.answers.extraction.answer_phrases import (
    ANSWER_TAG,
    MAX_PHRASES,
    AnswerPhrase,
    find_phrases,
    find_short_labels,
)
from a2r.answers.extraction.answer_words import CONCLUSION_HEADING
from a2r.answers.extraction.boxed import Box, last_box
from a2r.answers.extraction.candidate import Candidate
from a2r.answers.extraction.claims import (
    CLAUSES,
    DATE_IN_WORDS,
    YES_OR_NO,
    claimed_answer,
    first_sentence,
    is_question,
)
from a2r.answers.extraction.code_blocks import strip_code, unfence_answers
from a2r.answers.extraction.conclusions import concluding_answer
from a2r.answers.extraction.final_statement import (
    CONSEQUENCE,
    last_solved,
    prose_value,
    stated_value,
)
from a2r.answers.extraction.tables import unframe_tables
from a2r.answers.extraction.values import (
    is_mathematics,
    is_prose,
    only_quantity,
    shorten_claim,
    strip_formatting,
    unemphasized,
)
from a2r.answers.parsing.answer_parser import parse_answer
from a2r.answers.parsing.relations import is_solved

MAX_CLAIM_CHARACTERS, MAX_CONCLUSION_CHARACTERS = 2000, 20_000
FORMATTED_LABEL = re.compile(
    r"\\(?:text(?:bf|it|rm|sf)?|mathbf|mathrm|bf|boldsymbol|underline|emph)\s*"
    r"\{(\s{0,30}[^{}\n]{0,30}(?:answer|result|solution)\s*[:=]?[^{}\n]{0,60})\}\s*(?:\\?[:=])?",
    re.IGNORECASE,
)
# A calculation such as `3 + 4 = 7`, which may be a step.
STEP = re.compile(r"[\d)]\s*(?:[-+*/×÷·]|\\times|\\cdot)\s*[\d(\\$][^=\n]{0,400}=")
NEGATION = re.compile(r"(?:not|nicht|no|pas|non|não|не)\b|不", re.IGNORECASE)
# Several calculations in one sentence; an answer of brackets and operators alone.
JOINED = re.compile(r"[,;]\s|\band\b")
SYMBOLS = re.compile(r"(?=[^.…_*-])[^\w\s.…_?\"'`]{1,3}(?:\s+[^\w\s.…_?\"'`]{1,3}){0,20}")
MARKUP = re.compile(r"[\"{}<>]")
LABEL_END = re.compile(r"[:：=]\s*+[*_]{0,3}+\s*+$")


def announced_answer(text: str, *, words: bool, numeric: bool) -> Candidate | None:
    """The last answer that a phrase announces.

    With `words`, it may be in words. With `numeric`, a phrase before prose announces the value
    that the prose concludes with, or its only number.
    """
    if not text.strip(" \t\n.$)]}\\"):
        return None
    text = strip_code(unfence_answers(unframe_tables(text)))
    text = FORMATTED_LABEL.sub(_plain_label, text)
    for tag in reversed(list(ANSWER_TAG.finditer(text))):
        content = _tag_content(tag[1] or tag[2] or tag[3] or "", words=words, numeric=numeric)
        return (tag.start(), content, "phrase") if content else None
    phrases = sorted([*find_phrases(text), *find_short_labels(text)], key=lambda phrase: phrase.end)
    for phrase in reversed(phrases[-MAX_PHRASES:]):
        value = _announced(text, phrase, words=words, numeric=numeric)
        if value is not None:
            return phrase.end, value, phrase.extraction_method
    return None


def boxed_content(box: Box) -> str:
    """The answer in a box: the value of a chain, or the content without formatting."""
    if box.content.isdecimal():
        return box.content
    content = strip_formatting(box.content)
    return shorten_claim(box.content) if is_mathematics(content) else content


def _plain_label(match: re.Match[str]) -> str:
    content = match[1].strip()
    return content if re.search(r"[:=]\s*\S", content) else f"{content.rstrip(':=')}: "


def _tag_content(inner: str, *, words: bool, numeric: bool) -> str | None:
    """The answer between tags: a box, what a phrase in them announces, or all of it."""
    box = last_box(inner)
    if box:
        return shorten_claim(boxed_content(box))
    content = strip_formatting(inner)
    if not is_mathematics(content):
        value = stated_value(content) if STEP.search(content) else None
        if value is not None:
            return value
        for phrase in reversed(find_phrases(inner)):
            value = _announced(inner, phrase, words=words, numeric=numeric)
            if value is not None:
                return value
    return shorten_claim(content) or None


def _announced(text: str, phrase: AnswerPhrase, *, words: bool, numeric: bool) -> str | None:
    rest = text[phrase.end : phrase.end + MAX_CLAIM_CHARACTERS]
    value = claimed_answer(rest)
    sentence = first_sentence(rest)
    if is_question(rest, sentence):
        return None
    numeric = numeric or CONCLUSION_HEADING.match(text, phrase.start) is not None
    is_label = LABEL_END.search(text[phrase.start : phrase.end]) is not None
    mathematical = value is not None and is_mathematics(value)
    prosaic = mathematical or numeric or (value is None and not MARKUP.search(sentence))
    if is_label and prosaic and not _is_direct(sentence, value):
        conclusion = _conclusion_after(text, phrase, sentence)
        if conclusion is not None:
            return conclusion
    if mathematical and STEP.search(sentence) and JOINED.search(sentence):
        return stated_value(sentence) or value
    if mathematical:
        return value
    if (numeric or (value is None and not MARKUP.search(sentence))) and not NEGATION.match(
        sentence
    ):
        quantity = only_quantity(CLAUSES.sub("", sentence)) if is_prose(sentence) else None
        if quantity is not None:
            return quantity
    is_quoted = rest.lstrip(" \t\n*_:").startswith(">")
    if value is None and is_label and words and SYMBOLS.fullmatch(sentence) and not is_quoted:
        return sentence
    return value if words else None


def _is_direct(sentence: str, value: str | None) -> bool:
    """Whether a sentence is an answer rather than the start of a calculation."""
    if value is None or STEP.search(sentence) or CONSEQUENCE.search(sentence):
        return False
    if YES_OR_NO.match(sentence) or DATE_IN_WORDS.match(sentence):
        return True
    content = strip_formatting(unemphasized(sentence))
    if not is_mathematics(content):
        is_prose = re.search(r"\d", value) and not is_mathematics(value)
        return not is_prose and strip_formatting(CLAUSES.sub("", content)) == value
    term = parse_answer(content)
    return term.head != "equation" or is_solved(term)


def _conclusion_after(text: str, phrase: AnswerPhrase, sentence: str) -> str | None:
    """The value that the text after a label concludes with."""
    rest = text[phrase.end :][-MAX_CONCLUSION_CHARACTERS:]
    start = rest.find(sentence) + len(sentence)
    if not rest[start:].strip(" .!\n*_"):
        is_calculation = is_prose(sentence) or STEP.search(sentence)
        return stated_value(sentence) if is_calculation or CONSEQUENCE.search(sentence) else None
    if is_mathematics(strip_formatting(sentence)) and not STEP.search(sentence):
        return last_solved(rest[start:])
    return concluding_answer(rest, words=False) or prose_value(rest)
