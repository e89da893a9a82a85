"""Infer the kind of answer of a question, for `kind="auto"`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from a2r.answers.argument_types import check_text, check_texts
from a2r.answers.extraction.boxed import last_box
from a2r.answers.extraction.code_blocks import fenced_blocks
from a2r.answers.extraction.strip_reasoning import strip_reasoning
from a2r.answers.parsing.multiple_choice import (
    choice_letter,
    match_option,
    parse_options,
    shorten_question,
)
from a2r.answers.types import Kind

MATH = re.compile(
    r"\d|\\(?:frac|sqrt|sum|int|begin)|\$[^$]+\$"
    r"|\b(?:how (?:many|much|old|far|long)|calculate|compute|evaluate|solve|simplify|integral"
    r"|derivative|probability|equation|sum of|product of|prove|(?:number|area|volume"
    r"|perimeter|length|value) of"
    r"|average|median|mean|ratio|percent(?:age)?|minimum|maximum|smallest|largest|greatest|fewest"
    r"|degrees|integer|total|profit)s?\b"
    r"|\b(?:combien|cu[aá]nt[oa]s?|quant[oi]s?|quantas?|wie viele?|сколько|berapa|bao nhiêu|kaç"
    r"|hoeveel)\b"
    r"|多少|几[个個颗顆只人天元]|計算|计算|いくつ|いくら|何[個人円本枚回]|몇|얼마|कितन|كم",
    re.IGNORECASE,
)
JSON = re.compile(
    r"\b(?:as|in|valid|return|output|respond with|reply with)\s+(?:\w+\s+){0,2}JSON\b",
    re.IGNORECASE,
)
CODE = re.compile(
    r"\b(?:write|implement|code|fix|refactor|create)\b"
    r"(?:(?!\babout\b|\bpoem\b|\bstory\b|\bessay\b)[^.?!\n]){0,60}\b(?:function|program|script|code"
    r"|class|method|query|regex)\b",
    re.IGNORECASE,
)
PERSONS = re.compile(
    r"(?:^|[.?!,]\s{1,4})(?:who|whom|whose|when (?:was|were|did)|which (?:country|city|person"
    r"|author|president))\b[^.?!]{0,200}\?\s*$",
    re.IGNORECASE,
)
FORMULA = re.compile(
    r"\\(?:frac|sqrt|sum|int|begin)|\$[^$]+\$|\bhow (?:many|much|old|far|long)\b", re.IGNORECASE
)
MAX_TEXTS = 64


def infer_kind(question: str, texts: Iterable[str] = ()) -> Kind:
    """Infer the kind of answer of a question from its wording and the texts of its samples.

    Lettered options mean `choice`, unless most texts box something else than an option. A request
    for JSON or for a program means `json` or `code`. Mathematical wording means `math`, and so
    does a boxed answer in most of the texts. Everything else is `text`, an open question.

    Raises:
        ArgumentTypeError: an argument has another type.
    """
    check_text(question, "question")
    check_texts(texts)
    question = shorten_question(question)
    answers = [strip_reasoning(text) for _, text in zip(range(MAX_TEXTS), texts, strict=False)]
    boxed = [box.content for box in map(last_box, answers) if box is not None]
    listed = parse_options(question)
    if listed and not _is_majority(
        [not _is_option(content, listed) for content in boxed], len(answers)
    ):
        return "choice"
    if JSON.search(question):
        return "json"
    if CODE.search(question) and (
        not answers or _is_majority([bool(fenced_blocks(a)) for a in answers], len(answers))
    ):
        return "code"
    if MATH.search(question) and not (PERSONS.search(question) and not FORMULA.search(question)):
        return "math"
    return "math" if _is_majority([True] * len(boxed), len(answers)) else "text"


def _is_majority(votes: list[bool], total: int) -> bool:
    return sum(votes) * 2 > total


def _is_option(content: str, listed: Mapping[str, str]) -> bool:
    return bool(choice_letter(content, exact=True) or match_option(content, listed))
