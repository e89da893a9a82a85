"""Extract the conclusion of a text without an answer phrase: its last line or sentence."""

from __future__ import annotations

import re

from a2r.answers.extraction.answer_phrases import CONCLUSION
from a2r.answers.extraction.claims import (
    COMPARED,
    COPULA,
    MAX_CLAIM_CHARACTERS,
    answer_candidates,
    claimed_answer,
    first_sentence,
)
from a2r.answers.extraction.values import (
    EAST_ASIAN,
    EMOJI,
    EQUALS,
    emphasized_value,
    is_incomplete,
    is_mathematics,
    is_wording,
    only_quantity,
    shorten_claim,
    strip_formatting,
    unemphasized,
)
from a2r.answers.parsing.answer_parser import parse_answer
from a2r.answers.parsing.relations import is_solved

MAX_LINES = 6
CHATTER = re.compile(
    r"^[\s>*_#(\[-]*+(?:i(?:'m| am)? (?:hope|think (?:that|i|this)|confident|sure)|yes,"
    r"|that's|this matches|hope (?:this|that)|let me know|feel free|note\b|please (?:let"
    r"|feel|note)|if you|is there"
    r"|would you|do you|check\b|verif|double-check|explanation|source\b|see figure|thank"
    r"|happy|fun fact|remark|(?:\w+\s)?(?:confidence|certainty|probability|likelihood"
    r"|score)\b[^=\n]{0,30}[:：]"
    r"|置信度|信心|希望"
    r"|as a sanity|sanity|this (?:can|matches|agrees|is because)|you can|to summarize"
    r"|similar|this completes|done\b|q\.?e\.?d)",
    re.IGNORECASE,
)
LABEL = re.compile(r"^[\s>*_]*[A-Z][\w\s'’()/-]{0,40}[:：][\s*_]*(?=\S)")
STEP_START = re.compile(
    r"^[\s>]*(?:[-+•]\s|\d+[.)]\s|\(?[a-z]\)\s|#|\||\*\s|first|next|then|step|now|let\b|given|suppose|assume|note|where"
    r"|start|begin|recall|consider|use|using|we (?:need|know|can|have to|want|must)|question|q:)",
    re.IGNORECASE,
)
DENIAL = re.compile(
    r"\b(?:not|cannot|never|contradiction|impossible)\b|n['’]t\b"
    r"|^we (?:must|need|have to|can|should|want|will|first)\b",
    re.IGNORECASE,
)
COMPUTED = re.compile(r"=\s?(\\?\$?\d+(?:,\d{3})*(?:\.\d+)?)(?=\s[^=\d+*/]{1,80}[.!]\s*$)")
# The value at the end of a calculation in words: `which makes 9`.
RESULT = re.compile(
    r"(?:\b(?:which|that|this|it|so)\s+(?:makes?|gives|leaves|equals|totals|comes to|adds up to"
    r"|amounts to)"
    r"|\bwe (?:get|obtain|find|have)(?: that)?|\bsimplifies to"
    r"|\b(?:gives|yields|equals|leaves)(?: (?:us|him|her|them))?(?: with)?"
    r"|[,—–]\s*(?:leaving|making|giving|totall?ing|for a total of)|是|为|為|等于)"
    r"\s*(?:us |him |her |them |you )?"
    r"(?:with )?(?:a total of )?([^,;]{1,60})$",
    re.IGNORECASE,
)
# A sentence that ends in a date: `the day after is 05/23/1943`.
DATED = re.compile(r"\b(?:is|was|be|on|ist|war|est|es|fue|era)\s+([^,;:]{4,30}(?:,\s*\d{4})?)$")
BULLET_LABEL = re.compile(
    r"^\s*[-*•]\s+(?:\*\*|__)(?!step\b|check\b|given\b|note\b|confidence\b|verif)[^*_\n]{1,60}?"
    r"(?:[:：](?:\*\*|__)|(?:\*\*|__)\s?[:：])\s*(?=\S)",
    re.IGNORECASE,
)
ARROW = re.compile(r"⟹|\\implies|\\Rightarrow|⇒")
NAMED_RESULT = re.compile(r"^[\s>*_]*[A-Z][A-Za-z ]{2,40}\s=\s(?P<value>[^\n]+)$")
ENDS = (".", "!", "。", "！")
SEPARATOR_LINE = re.compile(r"^[\W_]*$")
LIST_START = re.compile(r"^\s*1[.)]\s+(?=\S)")
LIST_NUMBER = re.compile(r"^\s*\d{1,2}[.)]\s*$")
CONCLUDING = re.compile(
    r"\s(?=(?:Therefore|Thus|Hence|Consequently|So)\b[ ,])"
    r"|(?=因此|所以|于是|よって|したがって|따라서)"
)


def concluding_answer(text: str, *, words: bool) -> str | None:
    """The value of the last line that is not chatter, if it is a conclusion; else `None`.

    With `words`, a short last line in words counts as well.
    """
    lines = last_lines(text)
    single = len(lines) == 1
    for line in reversed(lines):
        if SEPARATOR_LINE.match(line) or CHATTER.match(line):
            continue
        return answer_in_line(line, words=words, alone=single)
    return None


def last_lines(text: str) -> list[str]:
    """The last non-empty lines of a text; a displayed formula counts as one line."""
    tail = text[-4000:].strip()
    display = re.search(r"(?:\$\$[^$]+\$\$|\\\[(?:(?!\\\[).)+?\\\])[.\s]*$", tail, re.DOTALL)
    if display:
        before = [line for line in tail[: display.start()].splitlines() if line.strip()]
        formula = " ".join(display[0].split())
        lead = before[-1] if before and not before[-1].rstrip().endswith((".", "!", "?")) else ""
        return [*before[:-1][-MAX_LINES:], f"{lead} {formula}" if lead else formula]
    return [line for line in tail.splitlines() if line.strip()][-MAX_LINES:]


def answer_in_line(line: str, *, words: bool, alone: bool) -> str | None:
    """The value of a line that is an answer, has a label, or concludes with an answer."""
    line = EMOJI.sub("", line).rstrip()
    content = strip_formatting(unemphasized(line)).removeprefix("=").strip()
    if line.lstrip().startswith(">"):
        content = strip_formatting(line.lstrip(" >"))
    if LIST_NUMBER.match(line) and not alone:
        return None
    for sentence in reversed(sentences(unemphasized(line))):
        if CHATTER.match(sentence):
            continue
        sentence = strip_formatting(CONCLUDING.split(sentence)[-1])
        if CONCLUSION.match(sentence):
            ended = line.rstrip(" *_$").endswith(ENDS)
            value = _conclusion(CONCLUSION.sub("", sentence), ended=ended)
            number = emphasized_value(line)
            return number if number and (not value or number in value) else value
        result = RESULT.search(sentence)
        is_ended = line.rstrip(" *_$").endswith(ENDS) or EAST_ASIAN.search(sentence)
        if result and is_ended and _is_value(strip_formatting(result[1])):
            return shorten_claim(strip_formatting(result[1]))
        dated = DATED.search(sentence)
        if dated and parse_answer(strip_formatting(dated[1])).head == "date":
            return strip_formatting(dated[1])
        break
    bullet = BULLET_LABEL.match(line)
    if bullet and _is_value(strip_formatting(line[bullet.end() :])):
        return shorten_claim(strip_formatting(line[bullet.end() :]))
    if alone and LIST_START.match(line) and _is_value(LIST_START.sub("", content)):
        return shorten_claim(LIST_START.sub("", content))
    if not STEP_START.match(line) and _is_value(content) and not content.endswith("="):
        return shorten_claim(content)
    computed = COMPUTED.search(line)
    if computed and not STEP_START.match(line):
        return strip_formatting(computed[1])
    named = NAMED_RESULT.match(unemphasized(line))
    if named and not STEP_START.match(line):
        value = strip_formatting(EQUALS.split(named["value"])[-1])
        return value if is_mathematics(value) else None
    label = LABEL.match(line)
    if label and not STEP_START.match(line) and _is_value(strip_formatting(line[label.end() :])):
        return shorten_claim(strip_formatting(line[label.end() :]))
    emphasized = content != line.strip() or alone
    if (
        words
        and emphasized
        and not line.rstrip(" *_").endswith((".", ":", "?"))
        and is_wording(content)
    ):
        return content if len(content.split()) <= 4 else None
    return None


def _is_value(text: str) -> bool:
    if not is_mathematics(text) or re.search(r"[?？]$", text):
        return False
    term = parse_answer(text)
    if term.head == "equation":
        return bool(re.match(r"\s*[A-Za-z](?:\([a-z]\))?\s*=", text))
    return term.head != "opaque" or "=" not in text


def _conclusion(sentence: str, *, ended: bool) -> str | None:
    """The value of the text after a word such as `therefore`.

    A text that is cut off ends without a full stop, and its words are no answer.
    """
    sentence = COMPARED.sub("", ARROW.split(sentence)[-1]).strip()
    if not sentence or is_incomplete(sentence.rstrip(" .")) or sentence.endswith(("?", ":")):
        return None
    while CONCLUSION.match(sentence):
        sentence = CONCLUSION.sub("", sentence)
    if len(sentence) > MAX_CLAIM_CHARACTERS or DENIAL.search(sentence):
        return None
    if not re.search(r"\d|\\|=|\$", sentence) and len(sentence.split()) > 2:
        is_complete = ended or COPULA.search(sentence) is not None
        return claimed_answer(sentence) if is_complete and len(sentence.split()) <= 8 else None
    for candidate in answer_candidates(first_sentence(sentence)):
        if _is_value(candidate):
            return shorten_claim(candidate)
        if is_mathematics(candidate) and parse_answer(candidate).head == "equation":
            value = strip_formatting(candidate.rpartition("=")[2])
            if (
                candidate.count("=") == 1
                and is_mathematics(value)
                and is_solved(parse_answer(value))
            ):
                return value
    return only_quantity(sentence)


def sentences(line: str) -> list[str]:
    """The sentences of a line, without their full stops."""
    found: list[str] = []
    rest = line.strip()
    while rest:
        sentence = first_sentence(rest)
        if not sentence:
            break
        found.append(sentence)
        after = rest.find(sentence) + len(sentence)
        rest = rest[after:].lstrip(" .!?。！？*_\"'”’)")
    return found
