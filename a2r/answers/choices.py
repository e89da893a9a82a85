"""Multiple choice: the options of a question, and the letter that a text chooses."""

from __future__ import annotations

import re

LETTERS = "A-J"
OPTION = re.compile(rf"(?:^|\n|\s)[(\[]?([{LETTERS}])[).\]:]\s+\S")
WRAPPED = re.compile(r"\\(?:text|textbf|mathrm|mathbf|rm)\s*\{([^{}]*)\}")
ALONE = re.compile(
    rf"[\s$*_]*(?:(?:option|choice|answer)\s+)?(?:\(([{LETTERS}])\)|\[([{LETTERS}])\]|([{LETTERS}]))"
    rf"(?:[.):]?[\s$*_]*|[.):]\s+.*)",
    re.IGNORECASE | re.DOTALL,
)
MARKED = re.compile(rf"\(([{LETTERS}])\)|\boption\s+([{LETTERS}])\b|\b([B-HJ])\b|\b([AI])[.):]")


def option_letters(question: str) -> list[str]:
    """The letters of a question's options if it lists at least A and B, else none."""
    letters = list(dict.fromkeys(OPTION.findall(question)))
    return letters if letters[:2] == ["A", "B"] else []


def choice_letter(text: str, *, whole: bool) -> str | None:
    """The letter that a text names, in capitals; `None` if it names none.

    With `whole` the text has to be the choice itself (`(C)`, `C.`, `C) 12 m`); without, it may
    be a phrase that names it, in which an article is not taken for option A.
    """
    text = WRAPPED.sub(r"\1", text).strip()
    match = ALONE.fullmatch(text) or (None if whole else MARKED.search(text))
    return next(g for g in match.groups() if g).upper() if match else None
