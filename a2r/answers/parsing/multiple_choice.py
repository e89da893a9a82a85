"""Multiple choice: the options of a question, and the chosen option of a text."""

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
PICTURE_CODE = re.compile(
    r"\[asy\](?:(?!\[asy\]).)*?\[/asy\]"
    r"|\\begin\{(?:tikzpicture|asy)\}(?:(?!\\begin\{(?:tikzpicture|asy)\}).)*?"
    r"\\end\{(?:tikzpicture|asy)\}",
    re.DOTALL | re.IGNORECASE,
)
WRAPPED = re.compile(r"\\(?:text|textbf|textrm|mathrm|mathbf|rm|bf|boxed|mathsf)\s*\{([^{}]*)\}")
FORMATTING = re.compile(r"[\s$*_`'\"\\]+")
NOUN = (
    r"(?:(?:both|either|the|all|correct|right|best|final|la|las|le|les|el|los|il|lo|der|die|das"
    r"|as|os|(?-i:a|o)\s|l['’\s]|options?|choices?|answers?|letters?|statements?|opci[oó]n(?:es)?"
    r"|opç(?:ão|ões)|opzion[ei]|réponse|respuesta|resposta|risposta|letras?|lettres?|letter[ae]|Buchstaben?|Antwort(?:en)?|вариант[а-яё]*+"
    r"|буква|ответ[а-яё]*+|选项|選項|選択肢|보기|선택지|الخيار|الحرف|विकल्प|pilihan|opsi|huruf"
    r"|phương án"
    r"|đáp án|seçenek|şık)\s*+:?\s*+)"
)
# What makes a letter part of a word; in Turkish, a copula follows an apostrophe.
WORD_AFTER = r"[A-Za-z0-9_À-ɏ-]|['’](?!(?:d[iı]r|t[iı]r)\b)"
TURKISH_COPULA = re.compile(rf"\b([{LETTERS}])['’][dt][iı]r\b")
COPULA = r"(?:です|である|だ|입니다|이다|예요|है)?।?"
LETTER_ONLY = re.compile(
    rf"{NOUN}{{0,5}}(?:[(\[]\s*([{LETTERS}])\s*[)\]]{COPULA}[.:,。]?(?:\s.*)?"
    rf"|([{LETTERS}])\s*+{COPULA}\s*+(?:\)(?:\s.*)?|\.(?:\s+(?![a-z]).*)?|[:,。])?)",
    re.IGNORECASE | re.DOTALL,
)
LEADING_LETTER = re.compile(
    rf"^\W*{NOUN}{{0,5}}(?:[(\[]([{LETTERS}])[)\]]"
    rf"|([{LETTERS}])(?!{WORD_AFTER}|\s*[=+*/^<>?]))(?P<after>.*)",
    re.IGNORECASE | re.DOTALL,
)
SEVERAL = re.compile(r"[(\[]?[A-J][)\]]?(?:\s?(?:,\s?and|,|and|or|&|/|;|\+)\s?[(\[]?[A-J][)\]]?)+")
LETTER = re.compile(rf"\b[{LETTERS}]\b")
OR = re.compile(r"\bor\b", re.IGNORECASE)
LETTER_AND_WORDS = re.compile(rf"[{LETTERS}](?:\.\s+(?=[a-z])|:\s+)(\S.*)", re.DOTALL)
MAX_CONTENT_WORDS = 2
# Another letter or a denial after a letter.
OTHER_CHOICE = re.compile(
    rf"[(\[]\s*[{LETTERS}]\s*[)\]]|\b[{LETTERS}][).](?:\s|$)|\b(?i:is|be)\s+[{LETTERS}]\b"
    r"|\b(?:II|III|IV|VI{0,3})\b|(?i:\bthrough\s)"
    r"|^\W*(?i:(?:is|was|are)\s+(?:not|wrong|incorrect|false|excluded|impossible)\b"
    r"|(?:isn|can|wasn)\W?t\b|cannot\b|not\s*[,.]|if\s)"
)
MAX_END_CHARACTERS = 1 << 14
ARTICLES = ("A", "I")


def shorten_question(question: str) -> str:
    """The question without the middle, if it is very long.

    A question about a long text states its task and its options before or after that text.
    """
    if len(question) <= 2 * MAX_END_CHARACTERS:
        return question
    return f"{question[:MAX_END_CHARACTERS]}\n{question[-MAX_END_CHARACTERS:]}"


def parse_options(question: str) -> Mapping[str, str]:
    """The options of a question by letter, if it lists A, B and so on; else empty.

    Letters in the code of pictures name points, not options.
    """
    question = PICTURE_CODE.sub(" ", shorten_question(question))
    longest: list[re.Match[str]] = []
    run: list[re.Match[str]] = []
    for match in OPTION.finditer(question):
        run = [match] if match[1] == "A" else [*run, match] if _follows(run, match) else []
        longest = run if len(run) >= len(longest) else longest
    contents: dict[str, str] = {}
    for match, following in zip(longest, [*longest[1:], None], strict=False):
        end = len(question) if following is None else following.start()
        content = question[match.end() : end].strip()
        contents[match[1]] = content if following is not None else content.partition("\n")[0]
    return contents if len(contents) > 1 else {}


def _follows(run: list[re.Match[str]], match: re.Match[str]) -> bool:
    """Whether the letter of an option follows the last letter of a run."""
    return bool(run) and ord(match[1]) == ord(run[-1][1]) + 1


def choice_letter(text: str, *, exact: bool) -> str | None:
    """The letter of the option that a text names, in upper case; `None` if it names none.

    With `exact`, the text must be the choice itself (`(C)`, `C.`, `C) 12 m`). Otherwise it may be
    a claim that starts with the choice; the article "a" is not taken for option A.
    """
    for _ in range(4):
        text = WRAPPED.sub(r"\1", text)
    text = FORMATTING.sub(" ", TURKISH_COPULA.sub(r"\1", text)).strip()
    if exact and several_letters(text):
        return None
    if exact:
        match = LETTER_ONLY.fullmatch(text)
        if match and OTHER_CHOICE.search(text[match.end(match.lastindex or 0) :]):
            return None
        return next(group for group in match.groups() if group).upper() if match else None
    match = LEADING_LETTER.match(text)
    if match is None:
        return None
    bracketed, letter = match[1], match[2]
    if bracketed:
        return bracketed.upper()
    if letter in ARTICLES and re.match(r"\s+[a-z]", match["after"]):
        # "because" may follow a choice; before a noun, "a" is an article.
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
    bare = FORMATTING.sub(" ", WRAPPED.sub(r"\1", text)).strip(" .")
    return sorted(set(re.findall(r"[A-J]", bare))) if SEVERAL.fullmatch(bare) else []


def contradicts_option(text: str, content: str | None) -> bool:
    """Whether a short text after a letter, such as `coli` in `E. coli`, is not that option."""
    match = LETTER_AND_WORDS.match(FORMATTING.sub(" ", text).strip())
    if match is None or content is None:
        return False
    after, expected = _words(match[1]), _words(content)
    return len(after.split()) <= MAX_CONTENT_WORDS and not (
        expected.startswith(after) or after.startswith(expected)
    )


def match_option(text: str, listed: Mapping[str, str]) -> str | None:
    """The letter of the option whose content the text equals or ends with, if it is unique."""
    words = _words(text)
    contents = {letter: _words(content) for letter, content in listed.items()}
    equal = [letter for letter, content in contents.items() if content and content == words]
    if len(equal) == 1:
        return equal[0]
    ending = [
        (len(content), letter)
        for letter, content in contents.items()
        if content and words.endswith(" " + content)
    ]
    return max(ending)[1] if ending else None


def _words(text: str) -> str:
    return normalized_words(text.strip().rstrip(".,;:! "))
