"""Remove questions that a model invents after its answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice

from a2r.answers.extraction.answer_phrases import SHORT_LABEL, find_phrases
from a2r.answers.extraction.boxed import last_box
from a2r.answers.extraction.conclusions import concluding_answer
from a2r.answers.extraction.values import is_mathematics, strip_formatting, unemphasized
from a2r.answers.parsing.natural_language import normalized_words

NOUNS = (
    r"question|problem|exercise|user|human|q|prompt|instruction|task|student|example|puzzle"
    r"|pregunta|pergunta|domanda|frage|aufgabe|вопрос|задача|问题|問題|题目|問|问|例题|例題|例|質問|질문|문제"
    r"|pertanyaan|soal|câu hỏi|bài toán|bài|soru|प्रश्न|سؤال|السؤال"
)
# A new question or turn at the start of a line; the number of a part is in the group `part`.
QUESTION_LINE = re.compile(
    r"^[ \t>*_]{0,6}(?:"
    r"#{1,4}[ \t]{0,3}(?:instruction|question|problem|input|user|human|task|exercise|prompt)\b"
    r"[^\n:：]{0,20}[:：]?[ \t*_]*$"
    r"|(?:user|human|assistant|system)[ \t]*$"
    r"|the following (?:is|are) (?:a )?(?:multiple[- ]choice|single[- ]choice)? ?questions?\b"
    r"|例\s?\d{1,2}[\s.:：]"
    r"|以下是[^\n]{0,20}(?:单项|多项)?选择题"
    r"|(?:(?:new|next|another|follow-up|similar)\s{1,2}|\d{1,2}[.)]\s{1,2})?"
    rf"(?:{NOUNS})(?:\s{{0,2}}(?P<part>#?\d{{1,3}}|[a-h]|[IVX]{{1,4}})\b)?"
    r"[*_ \t]{0,4}(?:[:：]|(?<=\d)[.)](?=\s)|(?<=\d)[ \t]*$|(?<=\d\*\*)[ \t]*$)"
    r")",
    re.IGNORECASE | re.MULTILINE,
)
# Turns that follow a sentence at once, or are a token. The character before a turn is not a part
# of the group: `re` only tries the positions of the first characters.
TURN_IN_LINE = re.compile(
    r"[.!?)\d。\[<](?:"
    r"(?<=[\[<])\|?(?:INST|user|human|question)(?:\|?>|\])"
    r"|(?<=[.!?)\d。])"
    r"(?P<turn>(?:human|user|question|problem|assistant|instruction)[ \t]?[:：]"
    r"|(?<=\d)[ \t]{1,3}Q[:：](?=\s))"
    r")",
    re.IGNORECASE,
)
ANNOUNCED_QUESTION = re.compile(
    r"^[ \t>*_]{0,6}(?:here(?:['’]s| is)|(?:now,?\s)?let['’]?s|now)\s(?:\w+\s){0,3}"
    r"(?:another|a similar|a new|the next)\s(?:\w+\s)?(?:problem|question|example|exercise)\b",
    re.IGNORECASE | re.MULTILINE,
)
# A line that asks something, without a label or an answer.
ASKED = re.compile(
    r"^(?![^\n]{0,12}(?:wait|hmm|but|actually|is that|is this|did|why|could|should|would|check"
    r"|verif|so\b|let|what (?:about|if)|how about|what does|then|now))"
    r"(?:\d{1,2}[.)]\s+)?(?P<question>[^\n?:：]{12,400}\?)[ \t*]*$",
    re.IGNORECASE | re.MULTILINE,
)
QUESTION_WORDS = re.compile(
    r"\b(?:how (?:many|much|long|far|old)|what|which|who|when|where|find)\b", re.IGNORECASE
)
PARTS = re.compile(
    r"(?:^|\s)(?:\(?[a-c]\)|(?:part|question|problem|exercise|q)\s?#?\d|\(?[1-3]\)|[1-3]\.)\s",
    re.IGNORECASE,
)
RESTATED_WORDS, MIN_QUESTION_WORDS = 8, 4
MAX_ANSWER_LINE = 30
MAX_QUESTIONS = 40
MAX_TAIL_CHARACTERS = 4000


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Where the label of a question or turn is, and the number of the part that it starts."""

    start: int
    end: int
    part: str | None = None


def strip_next_question(text: str, question: str) -> str:
    """The text up to a question that follows an answer, as small models invent them.

    A question that stands before the first answer is a restatement, and numbered ones after each
    other are parts of one question; both stay.
    """
    text = _up_to_asked(text, question)
    turns = _find_turns(text)
    if not turns:
        return text
    asks_parts = len(PARTS.findall(question)) > 1
    first_part: str | None = None
    for turn in turns:
        before = text[: turn.start]
        if turn.part is not None and (asks_parts or first_part is not None):
            continue
        if not before.strip() or not _has_answer(before) or _restates(text[turn.end :], question):
            first_part = first_part or turn.part
            continue
        return before.rstrip()
    return text


def _find_turns(text: str) -> list[Turn]:
    """The first labels of questions and turns, in the order of the text."""
    lines = [
        Turn(start=match.start(), end=match.end(), part=match["part"])
        for match in islice(QUESTION_LINE.finditer(text), MAX_QUESTIONS)
    ]
    inline = [
        Turn(start=match.start(match.lastgroup or 0), end=match.end())
        for match in islice(TURN_IN_LINE.finditer(text), MAX_QUESTIONS)
    ]
    return sorted([*lines, *inline], key=lambda turn: turn.start)[:MAX_QUESTIONS]


def _up_to_asked(text: str, question: str) -> str:
    """The text up to a question without a label, or an announced one, that follows an answer."""
    for match in islice(ANNOUNCED_QUESTION.finditer(text), MAX_QUESTIONS):
        if _has_answer(text[: match.start()]):
            return text[: match.start()].rstrip()
    if "?" not in text:
        return text
    asked = normalized_words(question[:MAX_TAIL_CHARACTERS])
    for match in islice(ASKED.finditer(text), MAX_QUESTIONS):
        words = normalized_words(match["question"])
        if len(words.split()) < MIN_QUESTION_WORDS or not QUESTION_WORDS.search(words):
            continue
        before = text[: match.start()].rstrip()
        is_followed = text[match.end() :].strip() != ""
        if is_followed and words[:60] not in asked and _ends_in_answer(before):
            return before
    return text


def _ends_in_answer(text: str) -> bool:
    """Whether the last line announces, boxes or is an answer: what follows is something new."""
    line = text.rpartition("\n")[2].strip()
    if find_phrases(line) or last_box(line):
        return True
    return len(line) <= MAX_ANSWER_LINE and is_mathematics(strip_formatting(unemphasized(line)))


def _has_answer(text: str) -> bool:
    """Whether a text announces, boxes or concludes with an answer."""
    tail = text[-MAX_TAIL_CHARACTERS:]
    return bool(
        find_phrases(tail)
        or last_box(tail)
        or SHORT_LABEL.search(tail)
        or concluding_answer(tail, words=True)
    )


def _restates(text: str, question: str) -> bool:
    """Whether the text after a label is the question itself."""
    start = normalized_words(text[:300]).split()[:RESTATED_WORDS]
    return len(start) > 2 and " ".join(start) in normalized_words(question[:MAX_TAIL_CHARACTERS])
