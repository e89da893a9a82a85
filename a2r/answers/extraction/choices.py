"""Extract the chosen option of a text, or several options."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from a2r.answers.extraction.answer_phrases import ANSWER_TAG, MAX_PHRASES, find_phrases
from a2r.answers.extraction.boxed import last_box
from a2r.answers.extraction.candidate import Candidate
from a2r.answers.extraction.claims import claimed_answer, first_sentence
from a2r.answers.extraction.code_blocks import answer_in_json
from a2r.answers.extraction.conclusions import last_lines
from a2r.answers.parsing.chosen_letters import (
    chosen_letters,
    latin_letters,
    requests_one,
    without_denied_letters,
)
from a2r.answers.parsing.multiple_choice import (
    LETTER,
    choice_letter,
    contradicts_option,
    match_option,
    parse_options,
)
from a2r.answers.parsing.natural_language import normalized_words
from a2r.answers.parsing.stated_letters import concluded_letters, stated_letters

CONTRAST = re.compile(r"^not\s.{1,60}?\bbut\s+", re.IGNORECASE | re.DOTALL)
MAX_LETTER_LINE_CHARACTERS, MAX_OPTION_CHARACTERS = 8, 300


def find_choice(text: str, question: str) -> Candidate | None:
    """The chosen letter, or several of them as `A, C`; `None` if the question asks for one."""
    listed = parse_options(question)
    candidate = _choice(latin_letters(text, question), listed)
    if candidate and len(LETTER.findall(candidate[1])) > 1 and requests_one(question):
        return None
    return candidate


def _choice(text: str, listed: Mapping[str, str]) -> Candidate | None:
    letters = [
        candidate
        for candidate in (
            _boxed_letter(text, listed),
            _tagged_letter(text, listed),
            _stated_letter(text, listed),
        )
        if candidate
    ]
    if letters:
        return max(letters)
    has_answer, value = answer_in_json(text)
    letter = choice_letter(value, exact=True) if has_answer and isinstance(value, str) else None
    if letter:
        return 0, letter, "json"
    letter = _lone_letter(text, listed)
    if letter:
        return 0, letter, "letter"
    return _last_statement(concluded_letters(text), listed) or _option(text, listed)


def _letters(text: str, listed: Mapping[str, str], *, exact: bool) -> str | None:
    """The letter or letters that a text chooses; an option such as `both A and C` is one letter."""
    several = chosen_letters(text, listed, exact=exact)
    if several is None:
        return choice_letter(text, exact=exact)
    combined = [key for key, content in listed.items() if chosen_letters(content, {}) == several]
    return combined[0] if len(combined) == 1 else several


def _is_listed(letters: str, listed: Mapping[str, str]) -> bool:
    return not listed or set(LETTER.findall(letters)) <= listed.keys()


def _lone_letter(text: str, listed: Mapping[str, str]) -> str | None:
    """A letter that is the last line, or the first line before an explanation."""
    lines = last_lines(text)
    first = text.strip().partition("\n")[0]
    for line in [*lines[-1:], *([first] if len(first) <= MAX_LETTER_LINE_CHARACTERS else [])]:
        content = without_denied_letters(line.strip(" #>-")).strip(" ,，;.。")
        letters = _letters(content, listed, exact=True)
        if letters and _is_listed(letters, listed):
            return letters
    restated = [letter for line in text.splitlines() if (letter := _restated(line, listed))]
    return restated[0] if len(restated) == 1 else None


def _restated(line: str, listed: Mapping[str, str]) -> str | None:
    """The letter of a line that repeats an option, letter and content."""
    letter = (
        choice_letter(line.strip(" #>-"), exact=True) if len(line) < MAX_OPTION_CHARACTERS else None
    )
    content = normalized_words(listed.get(letter, "")) if letter else ""
    return letter if content and normalized_words(line).endswith(content) else None


def _boxed_letter(text: str, listed: Mapping[str, str]) -> Candidate | None:
    box = last_box(text)
    if box is None:
        return None
    letters = _letters(box.content, listed, exact=True) or match_option(box.content, listed)
    return (box.start, letters, "boxed") if letters else None


def _tagged_letter(text: str, listed: Mapping[str, str]) -> Candidate | None:
    for tag in ANSWER_TAG.finditer(text):
        inner = tag[1] or tag[2] or ""
        letters = _letters(inner, listed, exact=True) or match_option(inner, listed)
        if letters:
            return tag.start(), letters, "phrase"
    return None


def _stated_letter(text: str, listed: Mapping[str, str]) -> Candidate | None:
    """The last letters or option content that a phrase announces."""
    announced: list[Candidate] = []
    for cue in find_phrases(text)[-MAX_PHRASES:]:
        claim = CONTRAST.sub("", text[cue.end : cue.end + 2000].lstrip(" \n*_:：>#"), count=1)
        sentence = first_sentence(claim) or claim[:80]
        letters = _letters(sentence, listed, exact=False)
        if letters and listed and contradicts_option(sentence, listed.get(letters)):
            continue
        letters = letters or match_option(claimed_answer(claim) or "", listed)
        if letters and _is_listed(letters, listed):
            announced.append((cue.end, letters, "phrase"))
    return max(announced) if announced else _last_statement(stated_letters(text), listed)


def _last_statement(
    statements: Iterable[tuple[int, str]], listed: Mapping[str, str]
) -> Candidate | None:
    """The letters of the last statement about options."""
    candidates: list[Candidate] = [
        (position, letters, "phrase")
        for position, stated in statements
        if (letters := _letters(stated, listed, exact=False)) and _is_listed(letters, listed)
    ]
    return max(candidates) if candidates else None


def _option(text: str, listed: Mapping[str, str]) -> Candidate | None:
    """The option whose content is in the last line."""
    lines = last_lines(text)
    if not lines or not listed or text.rstrip().endswith("?"):
        return None
    letter = match_option(lines[-1], listed)
    return (0, letter, "option") if letter else None


