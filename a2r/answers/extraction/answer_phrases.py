"""Phrases that announce an answer, in several languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from a2r.answers.types import ExtractionMethod

BE = (
    r"(?:(?:is|was|are)(?!n['’]t)|equals|would be|will be|must be|should be|has to be"
    r"|becomes|remains|=|:|：|—"
    r"|–|-|→|→)"
)
CUE = re.compile(
    r"(?:"
    # English
    r"\b(?:(?:the|my|our|your|its)\s{1,3})?(?:(?:final|correct|right|best|corrected|required|exact|numerical)"
    r"\s{1,3}){0,2}(?:answer|result)(?:\s{1,3}choice)?(?:\s{1,3}(?:to|for|of)(?:\s(?!is\b|because\b)[\w'’]{1,20}){1,6}?)?[*_\"']{0,3}\s{0,3}"
    rf"{BE}"
    r"|\bthe\s(?:final\s|only\s)?solutions?\s(?:set\s)?(?:is|are)\b"
    # Chinese, Japanese, Korean
    r"|(?:最终|正确|最后|所以|因此)?(?:答案|结果)(?:应该|应当|就)?\s{0,3}(?:是|为|選|选|：|:|＝|=)"
    r"|故选|应选|所以选|(?:^|\n)\s{0,3}答\s{0,3}[：:]|(?:答え|正解|解答)\s{0,3}(?:は|：|:)|(?:정답|답)\s{0,3}(?:은|는|：|:)"
    # Spanish, Portuguese, French, Italian, German, Russian
    r"|\b(?:respuesta|resposta|solución|solução)(?:\s{1,3}(?:final|correcta|correta))?\s{0,3}[*_]{0,2}\s{0,3}(?:es\b|é\b|:|=)"
    r"|\br[ée]ponse(?:\s{1,3}(?:finale|correcte))?\s{0,3}[*_]{0,2}\s{0,3}(?:est\b|:|=)"
    r"|\brisposta(?:\s{1,3}(?:finale|corretta))?\s{0,3}[*_]{0,2}\s{0,3}(?:è\b|:|=)"
    r"|\b(?:Antwort|Lösung|Ergebnis)\s{0,3}[*_]{0,2}\s{0,3}(?:lautet\b|ist\b|:|=)"
    r"|\bответ\w{0,2}\s{0,3}[*_]{0,2}\s{0,3}(?:равен\b|это\b|:|=|—|-)"
    r")",
    re.IGNORECASE | re.MULTILINE,
)  # fmt: skip
HEADING = re.compile(
    r"^[ \t>#*_]{0,12}(?:final\s+|correct\s+|the\s+)?(?:answer|réponse|respuesta|antwort|答案"
    r"|ответ)\s*[:：]?[ \t*_]{0,6}$",
    re.IGNORECASE | re.MULTILINE,
)
BARE_LABEL = re.compile(
    r"^[ \t>#*_]{0,12}(?:(?:final\s)?answer[ \t*_]{1,6}|ans(?:\.|\s?:"
    r"|\.\s?:)[ \t*_]{0,6})(?=[$\\\d-])",
    re.IGNORECASE | re.MULTILINE,
)
HASHES = re.compile(r"^[ \t]{0,8}####[ \t]{1,8}(?!#)", re.MULTILINE)
ANSWER_TAG = re.compile(
    r"<answer>([^<]{0,2000})</answer>|\b(?:Answer|Finish|final_answer)\s?[(\[]\s*[\"'“]?([^\"'”()\[\]\n]{1,200})[\"'”]?\s*[)\]]\s*$",
    re.IGNORECASE | re.MULTILINE,
)
HYPOTHETICAL = re.compile(
    r"(?:\b(?:if|suppose|supposing|assume|assuming|whether|imagine|(?:might|could|may|one"
    r"|some|would) (?:first )?think"
    r"|thought|pensar|denken|verify|check|hint|expect|claims?|ensure|know|to find|finding"
    r"|doubt|not true"
    r"|(?:can|could)(?:'t| not))\b"
    r"[^.!?\n]{0,40}|认为|以为)$",
    re.IGNORECASE,
)
OTHER_ANSWER = re.compile(
    r"\b(?:wrong|incorrect|previous|initial|first|other|another|earlier|intermediate)\s{1,3}$",
    re.IGNORECASE,
)
INTENT = re.compile(
    r"(?:put|give|write|present|provide|format|express|report|return)\w*\s[^.!?\n]{0,30}$",
    re.IGNORECASE,
)
CONCLUSION = re.compile(
    r"^[\s>*_$]*(?:therefore|thus|hence|so|consequently|finally|in (?:total|conclusion"
    r"|summary|all)|altogether|it follows"
    r"|we (?:get|obtain|conclude|have|find)|this (?:gives|means|yields)|which gives"
    r"|\\therefore|∴|⇒|=>|\\implies"
    r"|por (?:lo )?tanto|portanto|así que|donc|ainsi|par conséquent|also|somit|daher"
    r"|folglich|quindi|dunque"
    r"|таким образом|следовательно|поэтому|значит"
    r"|因此|所以|故|于是|よって|したがって|ゆえに|따라서)(?=\W|\d|[^\x00-\x7f])(?:\s+that\b)?[\s,:：，]*",
    re.IGNORECASE,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class AnswerPhrase:
    """The position of a phrase that announces an answer, and its extraction method."""

    start: int
    end: int
    extraction_method: ExtractionMethod


def find_phrases(text: str) -> list[AnswerPhrase]:
    """The phrases of a text that announce answers, in order."""
    phrases = [
        AnswerPhrase(start=match.start(), end=match.end(), extraction_method=method)
        for pattern, method in _patterns()
        for match in pattern.finditer(text)
        if method == "hashes" or not is_hypothetical(text, match.start())
    ]
    return sorted(phrases, key=lambda phrase: phrase.end)


def _patterns() -> Iterator[tuple[re.Pattern[str], ExtractionMethod]]:
    yield CUE, "phrase"
    yield HEADING, "phrase"
    yield BARE_LABEL, "phrase"
    yield HASHES, "hashes"


def is_hypothetical(text: str, position: int) -> bool:
    """Whether the phrase at a position is a hypothesis, an intention or about another answer."""
    before = text[max(0, position - 60) : position]
    if OTHER_ANSWER.search(before):
        return True
    return HYPOTHETICAL.search(before) is not None or INTENT.search(before) is not None
