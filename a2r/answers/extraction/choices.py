"""Extract the chosen option of a text, or several options."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from a2r.answers.extraction.answer_phrases import ANSWER_TAG, MAX_PHRASES, SHORT_LABEL, find_phrases
from a2r.answers.extraction.boxed import last_box
from a2r.answers.extraction.candidate import Candidate
from a2r.answers.extraction.claims import claimed_answer, first_sentence
from a2r.answers.extraction.code_blocks import answer_in_json
from a2r.answers.extraction.conclusions import last_lines
from a2r.answers.extraction.tables import unframe_tables
from a2r.answers.extraction.values import EMOJI
from a2r.answers.parsing.chosen_letters import (
    chosen_letters,
    latin_letters,
    listed_letters,
    requests_one,
    resolve_contrasts,
    without_denied_letters,
)
from a2r.answers.parsing.multiple_choice import (
    LETTER,
    OR,
    choice_letter,
    contradicts_option,
    match_option,
    parse_options,
)
from a2r.answers.parsing.natural_language import normalized_words
from a2r.answers.parsing.stated_letters import concluded_letters, stated_letters

CONTRAST = re.compile(r"^not\s.{1,60}?\bbut\s+", re.IGNORECASE | re.DOTALL)
ADJACENT_TAGS = re.compile(r"</answer>[\s,;]{0,4}<answer>", re.IGNORECASE)
CHECKED = re.compile(
    r"^[ \t]*+[-*]?[ \t]*+\[([xX✓✔ ])\][ \t]*[*(\[]*([A-J])(?![A-Za-z0-9])", re.MULTILINE
)
VERDICTS = {
    "✅": True, "✓": True, "✔": True, "correct": True, "true": True,
    "❌": False, "✗": False, "✘": False, "wrong": False, "incorrect": False, "false": False,
}  # fmt: skip
VERDICT = re.compile(
    rf"^[ \t|>*•-]{{0,20}}[(\[]?([A-J])[)\].]?(?:[ \t*|.)][^\n]{{0,200}})?[\s|(:]"
    rf"({'|'.join(VERDICTS)})[\uFE0F \t|*.)]{{0,10}}$",
    re.MULTILINE | re.IGNORECASE,
)
LABELLED_LETTER = re.compile(r"\s*A:\s*[(\[]?[A-J][)\]]?\.?\s*")
CONFIDENCE = re.compile(
    r"(?<![\s,;|(\[])[\s,;|(\[]*+(?:confidence|certainty|probability)\b\s*[:=(]?.{0,20}$",
    re.IGNORECASE,
)
MAX_LETTER_LINE_CHARACTERS, MAX_OPTION_CHARACTERS = 8, 300


def find_choice(text: str, question: str) -> Candidate | None:
    """The chosen letter, or several of them as `A, C`; `None` if the question asks for one."""
    listed = parse_options(question)
    text = unframe_tables(resolve_contrasts(latin_letters(text, question)))
    candidate = _choice(text, listed)
    is_undecided = candidate is not None and OR.search(candidate[1]) is not None
    if candidate and len(LETTER.findall(candidate[1])) > 1:
        return None if is_undecided or requests_one(question) else candidate
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
    text_value = ", ".join(map(str, value)) if isinstance(value, list) else value
    if has_answer and isinstance(text_value, str):
        letter = _letters(text_value, listed, exact=True)
        if letter and _is_listed(letter, listed):
            return 0, letter, "json"
    letter = _marked_letter(text) or _lone_letter(text, listed)
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


def _marked_letter(text: str) -> str | None:
    """The options of a list with a mark, where the others have none or a cross."""
    boxes = CHECKED.findall(text)
    marked = sorted({letter for mark, letter in boxes if mark != " "})
    if len(boxes) > 1 and marked:
        return ", ".join(marked)
    verdicts = VERDICT.findall(text)
    chosen = {letter for letter, verdict in verdicts if VERDICTS[verdict.lower()]}
    rejected = {letter for letter, verdict in verdicts} - chosen
    return chosen.pop() if len(chosen) == 1 and rejected else None


def _lone_letter(text: str, listed: Mapping[str, str]) -> str | None:
    """A letter that is the last line, or the first line before an explanation."""
    lines = last_lines(text)
    first = text.strip().partition("\n")[0]
    for line in [*lines[-1:], *([first] if len(first) <= MAX_LETTER_LINE_CHARACTERS else [])]:
        line = SHORT_LABEL.sub("", line, count=1) if LABELLED_LETTER.fullmatch(line) else line
        line = EMOJI.sub("", line).strip(" ✅✓")
        content = CONFIDENCE.sub("", without_denied_letters(line.strip(" #>-"))).strip(" ,，;.。")
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
    tags = list(ANSWER_TAG.finditer(text))
    contents = ", ".join(tag[1].strip() for tag in tags if tag[1])
    if len(tags) > 1 and ADJACENT_TAGS.search(text):
        several = chosen_letters(contents, listed, exact=True)
        if several:
            return tags[0].start(), several, "phrase"
    for tag in tags:
        inner = tag[1] or tag[2] or tag[3] or ""
        letters = _letters(inner, listed, exact=True) or match_option(inner, listed)
        if letters:
            return tag.start(), letters, "phrase"
    return None


def _stated_letter(text: str, listed: Mapping[str, str]) -> Candidate | None:
    """The last letters or option content that a phrase announces."""
    announced: list[Candidate] = []
    for cue in find_phrases(text, options=True)[-MAX_PHRASES:]:
        claim = CONTRAST.sub("", text[cue.end : cue.end + 2000].lstrip(" \n*_:：>#"), count=1)
        sentence = first_sentence(claim) or claim[:80]
        letters = listed_letters(claim, listed) or _letters(sentence, listed, exact=False)
        if letters and listed and contradicts_option(sentence, listed.get(letters)):
            continue
        letters = letters or match_option(claimed_answer(claim) or "", listed)
        if letters and _is_listed(letters, listed):
            announced.append((cue.end, letters, "phrase"))
    if announced:
        return max(announced)
    last = last_lines(text)[-1:]
    restated = _restated(last[0], listed) if last else None
    if restated:
        return len(text), restated, "letter"
    return _last_statement(stated_letters(text), listed)


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
