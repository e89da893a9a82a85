"""The letters that a sentence chooses: one option, or several of them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from a2r.answers.parsing.multiple_choice import FORMATTING, LETTERS, NOUN, OR, WORD_AFTER, WRAPPED

# Letters of other scripts that look like A to J, and full-width ones with their brackets.
LOOKALIKES = {
    "А": "A", "В": "B", "С": "C", "Е": "E", "Н": "H",
    "Α": "A", "Β": "B", "Ε": "E", "Η": "H", "Ι": "I",
} | {chr(0xFF21 + n): chr(0x41 + n) for n in range(10)}  # fmt: skip
LOOKALIKE = re.compile(
    rf"(?<![^\W\d_])[{''.join(LOOKALIKES)}](?![^\W\d_]|\s+(?!(?:и|или)\s+[АВСЕН]\b)[α-ωά-ώа-яё])"
)
FULL_WIDTH_BRACKETS = str.maketrans("（）［］", "()[]")
NON_LATIN_OPTION = re.compile(r"(?:^|\n|\s)\(?[БГДΓΔ][).]\s")

LETTER = rf"(?:[(\[]\s*([{LETTERS}])\s*[)\]]|([{LETTERS}])(?!{WORD_AFTER}|\s*[=+*^<>]))[.):]?"
SEPARATOR = (
    r"(?<!\s)\s*+(?:,\s*+(?:and|or|und|oder|sowie|et|ou|y|e|o|и|или)\b"
    r"|[,、，;；&/+|]|(?:and|or|as well as"
    r"|und|oder"
    r"|et|ou|y|e|o|и|или"
    r"|dan|atau|và|hoặc|ve|veya)\b|和|与|以及|及|或|과|와|또는|と|または|و|أو|और|या)\s*+(?:also\s+)?(?:options?\s+|choice\s+)?"
)
START = re.compile(rf"^[^\w(\[]*+{NOUN}{{0,5}}\[?\s*+{LETTER}", re.IGNORECASE)
SPACED = re.compile(rf"\W*[{LETTERS}](?:(?:\s*\+\s*|\s+)[{LETTERS}]){{1,9}}\W*")
LETTER_LINE = re.compile(rf"\s*[*_(\[]*([{LETTERS}])[)\].*_,]*\s*")
BULLET = re.compile(rf"\s*(?:[-*•]|\d{{1,2}}[.)])\s+[*_(\[]*([{LETTERS}])(?![A-Za-z0-9'’])")
NEXT = re.compile(rf"{SEPARATOR}{LETTER}")
# After the content of an option, only a letter with a bracket or a full stop is another choice.
NEXT_LABELLED = re.compile(rf"{SEPARATOR}(?:[(\[]\s*([{LETTERS}])\s*[)\]]|([{LETTERS}])[.)])")
DENIAL = re.compile(
    r"\b(?:not|nor|isn|wrong|incorrect|false|rather|instead|unlike|except|eliminated?|than|versus|vs"
    r"|nicht|falsch|pas|non|no|não|не|неверн\w*)\b|不|非|错|아니|ではな|違",
    re.IGNORECASE,
)
GLUED = re.compile(rf"(?<![A-Za-z])[{LETTERS}]{{2,6}}(?![A-Za-z])")
ONE = rf"[(\[]?[{LETTERS}][)\]]?(?![A-Za-z0-9])"
# A denied letter and the words up to the chosen one, by language.
CONTRASTS = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        (
            rf"\b(?:is|it['’]s)\s+not\s+{ONE}\s*+[,;]?\s*+(?:but(?: rather)?|it['’]s|it is)\s+",
            "is ",
        ),
        (rf"\bisn['’]t\s+{ONE}\s*+[,;]?\s*+(?:but|it['’]s|it is)\s+", "is "),
        (rf"\b(?:cannot|can['’]t) be\s+{ONE}\s*+,?\s*+so it (?:has to|must) be\s+", "must be "),
        (rf"(?:不是|并非|並非)\s*{ONE}\s*+[,，、;；]?\s*+(?:而)?是\s*", "是"),
        (rf"\bnicht\s+{ONE}\s*+,?\s*+sondern\s+", ""),
        (rf"\bn['’]est pas\s+{ONE}\s*+,?\s*+mais\s+", "est "),
        (rf"\bno es\s+{ONE}\s*+,?\s*+sino\s+", "es "),
        (rf"\bnão é\s+{ONE}\s*+,?\s*+mas(?: sim)?\s+", "é "),
        (rf"\bnon è\s+{ONE}\s*+,?\s*+(?:ma|bensì)\s+", "è "),
        (rf"(?:(?<!\s)\s++)?(?:[—–-]\s*+)?не\s+{ONE}\s*+,?\s*+а\s+", ": "),
        (rf"{ONE}\s*+[가이]?\s*+아니라\s*", ""),
        (rf"{ONE}\s*ではなく[、,]?\s*", ""),
    )
)
DENIED_LETTERS = re.compile(
    r"(?:[,，;；]\s*)?(?:\b(?:not|isn['’]?t|can(?:no|['’])t be|cannot be|rather than|instead of"
    r"|neither|nicht"
    r"|pas|não|non|не)\s+|不是|而不是|而非|並非|并非)(?:option\s+|answer\s+)?"
    rf"[(\[]?[{LETTERS}][)\]]?(?![A-Za-z0-9])(?:\s*(?:,|or|and|nor|/|或|和)\s*[(\[]?[{LETTERS}][)\]]?(?![A-Za-z0-9]))*"
)
MAX_SENTENCE_CHARACTERS = 400
ONE_REQUESTED = re.compile(
    r"\b(?:which one|exactly one|only one|one (?:option|answer|choice|letter)|single"
    r"|(?:choose|select|pick|mark|give|identify|find) (?:the|one)\b[^.?!\n]{0,40}?\b(?:option"
    r"|answer|choice|alternative|one|letter)\b"
    r"|(?:best|most (?:likely|appropriate|accurate))|(?:the|your) (?:correct )?(?:letter|answer"
    r"|option|choice)\b"
    r"|which (?:of (?:the following|the|these|those)\b[^.?!\n]{0,80}?\b)?(?:is|was|does|has|can"
    r"|would|will)\b)"
    r"|单选|單選|只有一",
    re.IGNORECASE,
)
SEVERAL_REQUESTED = re.compile(
    r"\b(?:all that apply|one or more|more than one|(?:choose|select|pick) (?:all|two|three"
    r"|every|any)"
    r"|multiple (?:answers|options|choices|correct|select)|all (?:the )?correct|letters"
    r"|options are correct"
    r"|which (?:of (?:the following|the|these|those)\b[^.?!\n]{0,80}?\b)?(?:are|were|do|have)\b)"
    r"|多选|多選|不定项|哪些|複数",
    re.IGNORECASE,
)


def latin_letters(text: str, question: str) -> str:
    """The text with lookalikes of the letters of options in Latin, unless the options have others.

    Cyrillic, Greek and full-width letters count where they stand alone and start no sentence.
    """
    if NON_LATIN_OPTION.search(question):
        return text
    text = text.translate(FULL_WIDTH_BRACKETS)
    return LOOKALIKE.sub(lambda match: LOOKALIKES[match[0]], text)


def requests_one(question: str) -> bool:
    """Whether a question asks for exactly one option."""
    return bool(ONE_REQUESTED.search(question)) and not SEVERAL_REQUESTED.search(question)


def chosen_letters(sentence: str, listed: Mapping[str, str], *, exact: bool = False) -> str | None:
    """The letters that a sentence chooses if it starts with several, such as `A, C` or `A or C`.

    `None` if it starts with one letter or none, or with `exact`, if something follows the letters
    and their contents. Letters after a denial do not count.
    """
    text = _plain(sentence)
    if SPACED.fullmatch(text):
        return _joined(re.findall(rf"[{LETTERS}]", text), listed)
    start = START.match(text)
    if start is None or not _letter(start).isupper():
        return _glued(text, listed)
    letters = [_letter(start)]
    joints: list[str] = []
    rest = _without_content(text[start.end() :], listed.get(letters[0]))
    while True:
        match = NEXT.match(rest) or _labelled(rest)
        if match is None:
            break
        joints.append(match[0])
        letters.append(_letter(match))
        rest = _without_content(rest[match.end() :], listed.get(letters[-1]))
    if exact and re.search(r"\w", rest):
        return None
    if any(OR.search(joint) for joint in joints):
        return " or ".join(sorted(set(letters)))
    return _joined(letters, listed)


def listed_letters(text: str, listed: Mapping[str, str]) -> str | None:
    """The letters of a list with a letter at the start of each line; `None` without several."""
    letters: list[str] = []
    for line in text.lstrip(" \n*_:：").split("\n"):
        match = BULLET.match(line) or LETTER_LINE.fullmatch(line)
        if match is None and line.strip():
            break
        letters += [] if match is None else [match[1]]
    return _joined(letters, listed)


def _joined(letters: list[str], listed: Mapping[str, str]) -> str | None:
    """Several letters as one answer; `None` if there is one, or if one is no option."""
    distinct = sorted(set(letters))
    if len(distinct) < 2 or (listed and not set(distinct) <= listed.keys()):
        return None
    return ", ".join(distinct)


def _plain(text: str) -> str:
    for _ in range(3):
        text = WRAPPED.sub(r"\1", text)
    return FORMATTING.sub(" ", text[:MAX_SENTENCE_CHARACTERS]).strip()


def _letter(match: re.Match[str]) -> str:
    return next(group for group in match.groups() if group)


def _without_content(rest: str, content: str | None) -> str:
    """The rest of a sentence after the content of an option."""
    remark = re.match(r"\s*\([^()\n]{2,80}\)", rest)
    if remark:
        return rest[remark.end() :]
    text = rest.lstrip(" :.-")
    plain = _plain(content).rstrip(" .,;") if content else ""
    return text[len(plain) :] if plain and text.lower().startswith(plain.lower()) else rest


def _labelled(rest: str) -> re.Match[str] | None:
    """A further choice with a bracket or a full stop, unless a denial precedes it."""
    match = NEXT_LABELLED.search(rest)
    return match if match and not DENIAL.search(rest[: match.start() + 8]) else None


def _glued(text: str, listed: Mapping[str, str]) -> str | None:
    """Letters without separators, such as `AC`, if each is an option and in order."""
    start = re.match(rf"^\W*(?i:{NOUN}){{0,5}}", text)
    match = GLUED.match(text, start.end() if start else 0)
    if match is None or list(match[0]) != sorted(set(match[0])):
        return None
    after = text[match.end() :].strip(" .)。")
    if listed:
        return ", ".join(match[0]) if set(match[0]) <= listed.keys() else None
    return None if after else ", ".join(match[0])


def resolve_contrasts(text: str) -> str:
    """The text with contrasts such as `not A but B` as the letter that they choose."""
    for pattern, replacement in CONTRASTS:
        text = pattern.sub(replacement, text)
    return text


def without_denied_letters(sentence: str) -> str:
    """The sentence without the letters that it denies, such as `not A or B`."""
    return DENIED_LETTERS.sub(" ", sentence)
