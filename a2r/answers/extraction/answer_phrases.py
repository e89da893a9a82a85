"""Phrases that announce an answer, in several languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter

from a2r.answers.extraction.answer_words import ASCII_LANGUAGES, CONCLUSION_HEADING, LANGUAGES
from a2r.answers.types import ExtractionMethod

BE = (
    r"(?:(?:is|was|are)(?!n['’]t)|equals|would be|will be|must be|should be|has to be"
    r"|becomes|remains|=|:|：)"
)
# A dash is a sign where a digit follows it at once.
DASH = r"[ \t]{0,3}[*_]{0,3}[ \t]{0,3}(?:—|–|-(?=[ \t])|→)"
CUE = re.compile(
    r"(?:"
    r"\b(?:(?:the|my|our|your|its)\s{1,3})?(?:(?:final|correct|right|best|corrected|required|exact|numerical)"
    r"(?:\s{1,3}|_)){0,2}(?:answers?|result)(?:\s{1,3}choice)?"
    r"(?:\s{1,3}(?:to|for|of)(?:\s(?!is\b|because\b)[\w'’]{1,20}){1,6}?)?"
    rf"(?:[*_\"']{{0,3}}\s{{0,3}}{BE}|{DASH})"
    r"|\bans\s?[=:](?=[ \t]{0,3}[-$\\\d])"
    r"|\bthe\s(?:final\s|only\s)?solutions?\s(?:set\s)?(?:is|are)\b"
    r")",
    re.IGNORECASE | re.MULTILINE,
)  # fmt: skip
OPTION_CUE = re.compile(
    r"\b(?:correct|right|best|true)\s{1,3}(?:options?|choices?|letters?|statements?|ones?)"
    r"[*_]{0,3}\s{0,3}(?:is\b|are\b|:)"
    r"|\b(?:opci[oó]n(?:es)?|alternativa|letra)\s{1,3}correc?tas?\s{0,3}(?:es\b|son\b|é\b|:)"
    r"|\bopç(?:ão|ões)\s{1,3}corretas?\s{0,3}(?:é\b|são\b|:)"
    r"|\b(?:(?:option|lettre)\s{1,3}correcte|bonne\s{1,3}(?:option|lettre))\s{0,3}(?:est\b|:)"
    r"|\b(?:opzione|lettera)\s{1,3}(?:corretta|giusta)\s{0,3}(?:è(?!\w)|:)"
    r"|\b(?:правильный|верный)\s{1,3}вариант(?:\s{1,3}ответа)?\s{0,3}(?:—|–|:)",
    re.IGNORECASE,
)
HEADING = re.compile(
    r"^[ \t>#*_]{0,12}(?:final\s+|correct\s+|the\s+)?(?:answer|réponse|respuesta|resposta|risposta"
    r"|antwort|答案|答え|정답|ответ|jawaban|đáp án|cevap|उत्तर|الجواب"
    r"|الإجابة)\s*[:：]?[ \t*_]{0,6}$",
    re.IGNORECASE | re.MULTILINE,
)
BARE_LABEL = re.compile(
    r"^[ \t>#*_]{0,12}(?:solution[ \t*_]{0,3}:[ \t*_]{0,6}(?=\S)"
    r"|(?:(?:final\s)?answer[ \t*_]{1,6}|ans\.[ \t*_]{0,6}|ans\s?=[ \t*_]{0,6})(?=[$\\\d-])"
    r"|(?:ans|sol)\.?\s?:[ \t*_]{0,6}(?=\S)|ans\.[ \t*_]{0,6}(?=\())",
    re.IGNORECASE | re.MULTILINE,
)
# `A: 42` after a question, but not among the points or options A, B, C.
SHORT_LABEL = re.compile(
    r"(?:^[ \t>*_]{0,6}"
    r"|(?<=[.?!][ ]))A[ \t]?[:：][ \t*_]{0,6}(?=\S)",
    re.MULTILINE,
)
OTHER_LABEL = re.compile(r"^[ \t>*_-]{0,6}[B-D][ \t]?[:：.)]", re.MULTILINE)
HASHES = re.compile(r"^[ \t]{0,8}####(?:[ \t]{1,8}(?!#)|(?=[-$\\\d]))", re.MULTILINE)
ANSWER_TAG = re.compile(
    r"<answer>((?:(?!</?answer>).){0,4000})</answer>"
    r"|<answer>([^<]{1,300})\Z"
    r"|\b(?:Answer|Finish|final_answer)\s?[(\[]\s{0,8}[\"'“]?([^\"'”()\[\]\n]{1,200})[\"'”]?\s{0,8}[)\]]\s*$",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)
HYPOTHETICAL = re.compile(
    r"(?:\b(?:if|suppose|supposing|assume|assuming|whether|imagine|(?:might|could|may|one"
    r"|some|would) (?:first )?think"
    r"|thought|pensar|denken|verify|check|hint|expect|claims?|ensure|know|to find|finding"
    r"|doubt|not true"
    r"|(?:can|could)(?:'t| not))\b"
    r"[^.!?\n]{0,40}|认为|以为)\Z",
    re.IGNORECASE,
)
BUT = re.compile(r"\b(?:but|however|actually|instead)\b", re.IGNORECASE)
OTHER_ANSWER = re.compile(
    r"\b(?:wrong|incorrect|previous|initial|first|other|another|earlier|intermediate)[ \t]{1,3}\Z",
    re.IGNORECASE,
)
INTENT = re.compile(
    r"(?:put|give|write|present|provide|format|express|report|return)\w{0,20}\s[^.!?\n]{0,30}\Z",
    re.IGNORECASE,
)
CONCLUSION = re.compile(
    r"^[\s>*_$]*(?:therefore|thus|hence|so|consequently|finally|in (?:total|conclusion"
    r"|summary|all)|altogether|it follows"
    r"|we (?:get|obtain|conclude|have|find)|this (?:gives|means|yields)|which gives"
    r"|\\therefore|∴|⇒|=>|\\implies"
    r"|por (?:lo )?tanto|portanto|así que|donc|ainsi|par conséquent|also|somit|daher"
    r"|folglich|quindi|dunque"
    r"|таким образом|итак|logo|entonces|alors|dus|więc|jadi|maka|vậy|इसलिए|yani|следовательно"
    r"|поэтому|значит"
    r"|因此|所以|故|于是|よって|したがって|ゆえに|따라서)(?=\W|\d|[^\x00-\x7f])(?:\s+that\b)?[\s,:：，]*",
    re.IGNORECASE,
)  # fmt: skip


# Only the last phrases of a text count.
MAX_PHRASES = 40


@dataclass(frozen=True, kw_only=True)
class AnswerPhrase:
    """The position of a phrase that announces an answer, and its extraction method."""

    start: int
    end: int
    extraction_method: ExtractionMethod


def find_phrases(text: str, *, options: bool = False) -> list[AnswerPhrase]:
    """The last phrases of a text that announce answers, in order; with `options`, also options."""
    matches = [
        (match.end(), match.start(), method)
        for pattern, method in _patterns(text.lower(), options=options)
        for match in pattern.finditer(text)
    ]
    phrases = (
        AnswerPhrase(start=start, end=end, extraction_method=method)
        for end, start, method in sorted(matches, key=itemgetter(0))[::-1]
        if method == "hashes" or not is_hypothetical(text, start)
    )
    return list(islice(phrases, MAX_PHRASES))[::-1]


def find_short_labels(text: str) -> list[AnswerPhrase]:
    """The labels `A:` of answers, unless other letters label lines as well."""
    if OTHER_LABEL.search(text):
        return []
    return [
        AnswerPhrase(start=match.start(), end=match.end(), extraction_method="phrase")
        for match in SHORT_LABEL.finditer(text)
    ]


def _patterns(
    lower_text: str, *, options: bool
) -> Iterator[tuple[re.Pattern[str], ExtractionMethod]]:
    """The patterns whose words occur in a text in lower case."""
    if any(stem in lower_text for stem in ("ans", "result", "solution")):
        yield CUE, "phrase"
    if options:
        yield OPTION_CUE, "phrase"
    for words in ASCII_LANGUAGES if lower_text.isascii() else LANGUAGES:
        if words.occur_in(lower_text):
            yield words.pattern, "phrase"
    yield HEADING, "phrase"
    yield BARE_LABEL, "phrase"
    yield CONCLUSION_HEADING, "phrase"
    yield HASHES, "hashes"


def is_hypothetical(text: str, position: int) -> bool:
    """Whether the phrase at a position is a hypothesis, an intention or about another answer."""
    before = BUT.split(text[max(0, position - 60) : position])[-1]
    if OTHER_ANSWER.search(before):
        return True
    return HYPOTHETICAL.search(before) is not None or INTENT.search(before) is not None
