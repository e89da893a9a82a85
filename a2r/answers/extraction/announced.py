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
    claimed_answer,
    first_sentence,
    is_mathematics,
    is_question,
    only_quantity,
    shorten_claim,
    strip_formatting,
)
from a2r.answers.extraction.code_blocks import strip_code, unfence_answers
from a2r.answers.extraction.conclusions import concluding_answer
from a2r.answers.extraction.tables import unframe_tables

MAX_CLAIM_CHARACTERS, MAX_CONCLUSION_CHARACTERS = 2000, 20_000
FORMATTED_LABEL = re.compile(
    r"\\(?:text(?:bf|it|rm|sf)?|mathbf|mathrm|bf|boldsymbol|underline|emph)\s*"
    r"\{(\s*[^{}\n]{0,30}(?:answer|result|solution)\s*[:=]?\s*)\}\s*(?:\\?[:=])?",
    re.IGNORECASE,
)
# A calculation such as `3 + 4 = 7`, which may be a step.
STEP = re.compile(r"[\d)]\s*(?:[-+*/×÷·]|\\times|\\cdot)\s*[\d(\\$].*=")
MARKUP = re.compile(r"[\"{}<>]")
LABEL_END = re.compile(r"[:：=]\s*[*_]{0,3}\s*$")


def announced_answer(text: str, *, words: bool, numeric: bool) -> Candidate | None:
    """The last answer that a phrase announces.

    With `words`, it may be in words. With `numeric`, a phrase before prose announces the value
    that the prose concludes with, or its only number.
    """
    text = FORMATTED_LABEL.sub(_plain_label, strip_code(unfence_answers(unframe_tables(text))))
    for tag in reversed(list(ANSWER_TAG.finditer(text))):
        content = _tag_content(tag[1] or tag[2] or "", words=words, numeric=numeric)
        return (tag.start(), content, "phrase") if content else None
    phrases = sorted(
        [*find_phrases(text), *find_short_labels(text)], key=lambda phrase: phrase.end
    )
    for phrase in reversed(phrases[-MAX_PHRASES:]):
        value = _announced(text, phrase, words=words, numeric=numeric)
        if value is not None:
            return phrase.end, value, phrase.extraction_method
    return None


def boxed_content(box: Box) -> str:
    """The answer in a box: the value of a chain, or the content without formatting."""
    content = strip_formatting(box.content)
    return shorten_claim(box.content) if is_mathematics(content) else content


def _plain_label(match: re.Match[str]) -> str:
    return f"{match[1].strip().rstrip(':=')}: "


def _tag_content(inner: str, *, words: bool, numeric: bool) -> str | None:
    """The answer between tags: a box, what a phrase in them announces, or all of it."""
    box = last_box(inner)
    if box:
        return shorten_claim(boxed_content(box))
    content = strip_formatting(inner)
    if not is_mathematics(content):
        for phrase in reversed(find_phrases(inner)):
            value = _announced(inner, phrase, words=words, numeric=numeric)
            if value is not None:
                return value
    return shorten_claim(content) or None


def _announced(text: str, phrase: AnswerPhrase, *, words: bool, numeric: bool) -> str | None:
    rest = text[phrase.end : phrase.end + MAX_CLAIM_CHARACTERS]
    value = claimed_answer(rest)
    numeric = numeric or CONCLUSION_HEADING.match(text, phrase.start) is not None
    sentence = first_sentence(rest)
    if is_question(rest, sentence):
        return None
    is_label = LABEL_END.search(text[max(0, phrase.start) : phrase.end]) is not None
    if value is not None and is_mathematics(value):
        if is_label and STEP.search(sentence):
            return _conclusion_after(text, phrase, sentence) or value
        return value
    if numeric or (words and value is None):
        conclusion = _conclusion_after(text, phrase, sentence) if is_label else None
        if conclusion is not None:
            return conclusion
    if numeric or (value is None and not MARKUP.search(sentence)):
        quantity = only_quantity(sentence)
        if quantity is not None:
            return quantity
    return value if words else None


def _conclusion_after(text: str, phrase: AnswerPhrase, sentence: str) -> str | None:
    """The value that the text after the first sentence of a claim concludes with."""
    start = text.find(sentence, phrase.end) + len(sentence)
    rest = text[start:][-MAX_CONCLUSION_CHARACTERS:]
    return concluding_answer(rest, words=False) if rest.strip(" .!\n*_") else None
