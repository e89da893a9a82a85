"""Extract the value of a claim such as `the total is $5 + 6 = 11$, since …`."""

from __future__ import annotations

import re

from a2r.answers.extraction.values import (
    EMPHASIS,
    FORMULA,
    MONEY,
    NUMBER_SIGN,
    is_mathematics,
    is_wording,
    shorten_claim,
    strip_formatting,
    unemphasized,
)
from a2r.answers.parsing.natural_language import is_spoken
from a2r.answers.parsing.numerals import spelled_number
from a2r.answers.parsing.units import is_known_unit

MAX_CLAIM_CHARACTERS = 400
LIST_MARK = re.compile(r"[ \t]*(?:(?P<number>\d{1,2})[.)]|[-*•])[ \t]+(?=\S)")
YES_OR_NO = re.compile(r"(yes|no|true|false)\s*[,.;:!](?!\s*\d+\s*\Z)", re.IGNORECASE)
DATE_IN_WORDS = re.compile(r"(?:[A-Z][a-z]{2,8}\.? \d{1,2}(?:st|nd|rd|th)?,? \d{4})(?=\s|$|[.,(])")
# What a value is compared with.
COMPARED = re.compile(
    r",?\s(?:instead of|rather than|as opposed to|compared (?:to|with)|out of|and not|but not"
    r"|statt|anstatt"
    r"|en lugar de|en vez de|au lieu de|invece di|em vez de|вместо)\s.*"
    r"|,\snot\s.*",
    re.DOTALL | re.IGNORECASE,
)
CONFIDENCE = re.compile(
    r"(?<![\s,;|(\[—–-])[\s,;|(\[—–-]*+(?:with\s)?(?:\b\w{1,40}+\s)?"
    r"(?:confidence|certainty|probability)\b\s*+(?:level|score)?\s*+[:=(].*"
    r"|(?:(?<!\s)\s++)?[-—–(]\s*+\d{1,9}\s?%\s(?:confiden|certain|sure).*",
    re.IGNORECASE,
)
SENTENCE_END = re.compile(
    r"(?<!\b[A-Z])(?<!\.)[.!?](?!\.)(?=[\"'”’*_)]*(?:\s|$))|[。！？।](?=.)|[?？]"
)
CLAUSES = re.compile(
    r"(?<!\s)\s*(?:,\s*(?:not|so|that is|i\.e|where|which|since|because|but|as|and not|with|when"
    r"|for|given|at|achieved|attained|rounded|i\.e\.)\b"
    r"|\s(?:because|since|as|which|where|when|if|given|so that|for all|such that|due to)\s"
    r"|,?\s(?:statt|anstatt|en lugar de|en vez de|au lieu de|invece di|em vez de|вместо)\s"
    r"|,?\s(?:instead of|rather than|as opposed to|compared (?:to|with)|and not|but not"
    r"|not)\s"
    r"|\s\((?!\d*\s*,)[a-z]|\s[-—–]\s(?![\s\d$(\\{.])|;\s|\s(?:✓|✅|√$)).*",
    re.DOTALL | re.IGNORECASE,
)
VERBS = re.compile(
    r"\s(?:is|are|equals|equal to|was|were|be|becomes|gives|yields|get|gets|obtain|find"
    r"|have|has|there are"
    r"|makes|totals|of|at|to|es|est|ist|è|é|lautet|sind|son|sont|beträgt|hat)\s|(?:是|为|は|：)\s*|:\s+"
)
REMARK = re.compile(r"(\S.*?)(?<!\s)\s++\(([A-Za-z][A-Za-z -]{2,})\)")
# The end of a sentence in words: `n!` is a factorial.
PROSE_END = re.compile(r"(?<![\\\w])[^\W\d_]{3,}[\"'”’*_)]*$")
MARKS_BEFORE = re.compile(r"\A(?:[ \t*_:\n>]|#+\s)*")
COPULA = re.compile(r"\s(?:is|are|equals|was|were|es|est|ist|è|é|lautet|sind|son|sont)\s")
ADVERBS = re.compile(
    r"^(?:[\s:*_]*+(?:therefore|thus|hence|then|so|indeed|simply|just|actually|clearly|exactly|only|probably|likely|donc|daher"
    r"|also|alors|(?:(?:the|la|der|die|das)\s*+)?(?:option|choice|letter|letra|lettre|Buchstabe))\b[\s:,*_]*+)+",
    re.IGNORECASE,
)
TOTALS = re.compile(
    r"(?<!\s)\s++(?:in total|altogether|in all|overall|respectively|as well)$", re.IGNORECASE
)


def claimed_answer(text: str) -> str | None:
    """The value that the first sentence of a text claims, as short as possible.

    Mathematics takes precedence over words: `7 because 7 is prime` claims 7. `None` if the
    sentence claims nothing, is truncated, or is too long.
    """
    text = _list_item(unemphasized(text))
    sentence = first_sentence(text)
    if not sentence or len(sentence) > MAX_CLAIM_CHARACTERS:
        return None
    if is_question(text, sentence):
        return None
    sentence = _without_open_ends(sentence)
    sentence = CONFIDENCE.sub("", ADVERBS.sub("", sentence))
    literal = DATE_IN_WORDS.match(sentence) or NUMBER_SIGN.match(sentence)
    if literal:
        return literal[0]
    yes_or_no = YES_OR_NO.match(text.lstrip(" \t\n*_:"))
    if yes_or_no:
        return yes_or_no[1]
    contrast = re.match(
        r"(?:not|nicht|no es|pas)\s.+?(?:[,;]|(?<!\s))\s++(?:but|sondern|sino|mais)\s+(.+)",
        sentence,
    )
    sentence = contrast[1] if contrast else sentence
    for candidate in answer_candidates(sentence):
        if is_mathematics(candidate):
            return shorten_claim(candidate)
    words = strip_formatting(CLAUSES.sub("", sentence))
    return words if is_wording(words) else None


def _without_open_ends(sentence: str) -> str:
    """The sentence without closing marks at its end whose opening ones precede it."""
    sentence = sentence.removesuffix("***").rstrip()
    for opening, closing in ((r"\[", r"\]"), (r"\(", r"\)"), ("$$", "$$")):
        if sentence.endswith(closing) and sentence.count(opening) <= (opening == closing):
            return sentence.removesuffix(closing).rstrip()
    is_open = re.search(r"[^\d\s]\s?\$$|\d\$$", sentence) and sentence.count("$") == 1
    return sentence.removesuffix("$").rstrip() if is_open else sentence


def _list_item(text: str) -> str:
    """The text without the mark of a list of one item; several items become one line."""
    items: list[str] = []
    lines = text.lstrip(" \t\n*_:").split("\n")
    for line in lines:
        match = LIST_MARK.match(line)
        if match is None or (match["number"] or "") not in ("", str(len(items) + 1)):
            break
        items.append(line[match.end() :].strip())
    if not items or not all(is_mathematics(strip_formatting(item)) for item in items):
        return text
    return "\n".join([", ".join(items), *lines[len(items) :]])


def first_sentence(text: str) -> str:
    """The first sentence of a text; a displayed formula counts as a sentence."""
    text = MARKS_BEFORE.sub("", text, count=1)
    display = re.match(
        r"(?:\*\*\s*)?(\$\$.+?\$\$|\\\[.+?\\\]|\\begin\{(\w+)\}.+?\\end\{\2\})", text, re.DOTALL
    )
    if display:
        rest = re.match(
            r"\s*(?:or|and|,)\s*(?:\$|\\\[).*", text[display.end() :].partition("\n")[0]
        )
        return display[1] + (rest[0] if rest else "")
    line = text.partition("\n")[0]
    if line.count("$") % 2 and "\n" in text and "$" in text[len(line) :]:
        line = text[: text.index("$", len(line)) + 1]
    position = 0
    for match in SENTENCE_END.finditer(line):
        before = line[position : match.start()]
        if _is_inside_formula(line[: match.start()]) or (
            (match[0] == "." and _ends_in_abbreviation(before))
            or (match[0] == "!" and not PROSE_END.search(before))
        ):
            continue
        return line[: match.start()].strip()
    return line.strip()


def is_question(text: str, sentence: str) -> bool:
    """Whether a question mark follows the sentence in the text."""
    after = text[text.find(sentence) + len(sentence) :][:1]
    return after in ("?", "？")


def _is_inside_formula(text: str) -> bool:
    """Whether a text ends in a formula; the dollar sign of an amount opens none."""
    if text.count("\\(") > text.count("\\)"):
        return True
    return text.count("$") % 2 == 1 and MONEY.sub("", text).count("$") % 2 == 1


def _ends_in_abbreviation(text: str) -> bool:
    return bool(
        re.search(
            r"(?:\b(?:e\.g|i\.e|approx|ca|vs|no|No|Nr|Mt|sq|ft|in|St|Mr|Dr|a\.m|p\.m|[ap]|U\.S))$",
            text,
        )
    )


def answer_candidates(sentence: str) -> list[str]:
    """The parts of a sentence that may be its value, longer ones first."""
    cut = CLAUSES.sub("", sentence)
    remark = REMARK.fullmatch(sentence)
    candidates = _without_remark(*remark.groups()) if remark is not None else []
    candidates += [sentence, cut, TOTALS.sub("", cut)]
    complements = COPULA.split(cut)
    if len(complements) > 1:
        candidates += [complements[-1], complements[-1].partition(", ")[0]]
    for part in (cut, sentence):
        pieces = VERBS.split(part)
        if len(pieces) > 1:
            candidates += [pieces[-1], CLAUSES.sub("", pieces[-1])]
    emphasized = [next(g for g in m.groups() if g) for m in EMPHASIS.finditer(sentence)]
    formulas = [next(g for g in m.groups() if g) for m in FORMULA.finditer(sentence)]
    candidates += emphasized[-1:] + (formulas if len(formulas) == 1 else [])
    candidates.append(cut.partition(", ")[0])
    return [strip_formatting(candidate) for candidate in candidates if candidate.strip()]


def _without_remark(value: str, remark: str) -> list[str]:
    """A value without a remark in brackets, but with a unit in them; none before an argument."""
    if is_known_unit(remark.split()[0]):
        return [f"{value} {remark}"]
    if re.search(r"\\[A-Za-z]+$", value):
        return []
    return [value] if is_spoken(remark) or spelled_number(remark) is not None else []
