"""Multiple choice: the options of a question, and the option that a text chooses."""

from __future__ import annotations

import re
from collections.abc import Mapping

from a2r.answers.parsing.natural_language import normalized_words

LETTERS = "A-J"
OPTION = re.compile(
    rf"(?:^|\n|(?<=\s)|(?<=[,;]))[ \t]{{0,8}}(?:[-*][ \t]{{1,8}})?(?:\*\*"
    rf"|\\textbf\{{)?[(\[]?([{LETTERS}])[)\].:]"
    r"(?:\*\*|\})?[ \t~\\]{1,8}(?=\S)"
)
PICTURE = re.compile(
    r"\[asy\].*?\[/asy\]|\\begin\{(?:tikzpicture|asy)\}.*?\\end\{(?:tikzpicture|asy)\}",
    re.DOTALL | re.IGNORECASE,
)
WRAPPED = re.compile(r"\\(?:text|textbf|textrm|mathrm|mathbf|rm|bf|boxed|mathsf)\s*\{([^{}]*)\}")
DRESS = re.compile(r"[\s$*_`'\"\\]+")
NOUN = (
    r"(?:(?:the\s+)?(?:correct\s+|final\s+)?(?:option|choice|answer|letter|letra|lettre"
    r"|Buchstabe|statement)\s*:?\s*)"
)
ALONE = re.compile(
    rf"{NOUN}?(?:[(\[]\s*([{LETTERS}])\s*[)\]][.:,]?(?:\s.*)?|([{LETTERS}])\s*(?:[.):,](?:\s.*)?)?)",
    re.IGNORECASE | re.DOTALL,
)
NAMED = re.compile(
    rf"^\W*{NOUN}{{0,2}}(?:[(\[]([{LETTERS}])[)\]]|([{LETTERS}])(?![\w'’-]|\s*[=+*/^<>?]))(?P<after>.*)",
    re.IGNORECASE | re.DOTALL,
)
SEVERAL = re.compile(r"[(\[]?[A-J][)\]]?(?:\s?(?:,\s?and|,|and|or|&|/|;|\+)\s?[(\[]?[A-J][)\]]?)+")
BEGIN = (
    r"(?:^|[.!?:;,\n]\s*|\b(?:so|thus|hence|therefore|that|then|and|but|option|choice|answer"
    r"|letter)\s+)"
)
STATED = re.compile(
    rf"{BEGIN}\(?(?P<first>[{LETTERS}])\)?\*{{0,2}}\s*(?:is|:|is indeed|must be)\s+"
    r"(?:the\s+|also\s+)?(?i:correct|right|best|true|the answer)\b(?!\s+(?:that|only if|if))(?!\?)"
    r"|(?i:(?:correct|right|best|final|remaining)\s+(?:choice|option|letter|alternative)"
    rf"|(?:answer|option|choice)\s+choice)\s*(?i:is|:|would be)?\s*(?i:option|choice|letter)?"
    rf"\W{{0,4}}\b(?P<second>[{LETTERS}])\b"
    r"|(?i:\b(?:choose|chose|pick|select|go with|going with|opt for|is option|is choice|must be"
    r"|leaving|leaves|select option|选择|选|letra))\s*(?i:option|choice|answer|letter)?\W{0,12}?"
    rf"\b(?P<third>[{LETTERS}])\b(?!\s+[a-z]|['’-])",
    re.MULTILINE,
)
DENIED = re.compile(
    r"(?:\b(?:not|never|cannot|if|whether|some|others|might|could|would|doubt)\b|n['’]t\b|(?:^|[.!?]\s)(?:is|was|were)\b)"
    r"[^.!?\n]{0,20}$",
    re.IGNORECASE,
)
MAX_END_CHARACTERS = 1 << 14
ARTICLES = ("A", "I")


def question_ends(question: str) -> str:
    """A question without the middle of what is very long, such as a text that it is about.

    What it asks for, and its options, stand at one of its ends.
    """
    if len(question) <= 2 * MAX_END_CHARACTERS:
        return question
    return f"{question[:MAX_END_CHARACTERS]}\n{question[-MAX_END_CHARACTERS:]}"


def options(question: str) -> Mapping[str, str]:
    """The options of a question, letter and content, if it lists A, B and so on; else none.

    Pictures in code, where letters name points, list no options.
    """
    question = PICTURE.sub(" ", question_ends(question))
    longest: list[re.Match[str]] = []
    run: list[re.Match[str]] = []
    for match in OPTION.finditer(question):
        run = [match] if match[1] == "A" else [*run, match] if _follows(run, match) else []
        longest = run if len(run) >= len(longest) else longest
    found: dict[str, str] = {}
    for match, following in zip(longest, [*longest[1:], None], strict=False):
        end = len(question) if following is None else following.start()
        content = question[match.end() : end].strip()
        found[match[1]] = content if following is not None else content.partition("\n")[0]
    return found if len(found) > 1 else {}


def _follows(run: list[re.Match[str]], match: re.Match[str]) -> bool:
    """Whether an option's letter is the next one after those of a run."""
    return bool(run) and ord(match[1]) == ord(run[-1][1]) + 1


def choice_letter(text: str, *, whole: bool) -> str | None:
    """The letter that a text names, in capitals; `None` if it names none.

    With `whole` the text has to be the choice itself (`(C)`, `C.`, `C) 12 m`); without, it may
    be a claim that begins with it, in which an article is not taken for option A.
    """
    for _ in range(4):
        text = WRAPPED.sub(r"\1", text)
    text = DRESS.sub(" ", text).strip()
    if whole and several_letters(text):
        return None
    if whole:
        match = ALONE.fullmatch(text)
        return next(group for group in match.groups() if group).upper() if match else None
    match = NAMED.match(text)
    if match is None:
        return None
    bracketed, letter = match[1], match[2]
    if bracketed:
        return bracketed.upper()
    if letter in ARTICLES and re.match(r"\s+[a-z]", match["after"]):
        # "because" and its like go on after a choice; a noun after "a" makes it an article.
        return (
            letter
            if re.match(r"\s+(?:because|since|as|which|and|is|not)\b", match["after"])
            else None
        )
    if letter.islower() and match["after"].strip(" .!)"):
        return None
    return letter.upper()


def several_letters(text: str) -> list[str]:
    """The letters of an answer that chooses several options, such as `A, C` or `(A) and (B)`."""
    bare = DRESS.sub(" ", WRAPPED.sub(r"\1", text)).strip(" .")
    return sorted(set(re.findall(r"[A-J]", bare))) if SEVERAL.fullmatch(bare) else []


def stated_letters(text: str) -> list[tuple[int, str]]:
    """Positions and letters of statements such as `C is correct` or `I would go with E`."""
    found = []
    for match in STATED.finditer(text):
        letter = next(g for g in match.group("first", "second", "third") if g)
        before = text[max(0, match.start() - 30) : match.start()]
        if DENIED.search(before) and not before.rstrip().endswith("would"):
            continue
        found.append((match.end(), letter))
    return found


def letter_of_content(text: str, listed: Mapping[str, str]) -> str | None:
    """The letter of the only option whose content a text is, or ends in."""
    said = normalized_words(text)
    contents = {letter: normalized_words(content) for letter, content in listed.items()}
    same = [letter for letter, content in contents.items() if content and content == said]
    if len(same) == 1:
        return same[0]
    ending = [
        (len(content), letter)
        for letter, content in contents.items()
        if content and said.endswith(" " + content)
    ]
    return max(ending)[1] if ending else None
