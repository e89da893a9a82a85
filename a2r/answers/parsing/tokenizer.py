"""Tokenizer of the answer grammar."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from a2r.answers.errors import UnreadableError

TokenType = Literal["number", "word", "text", "command", "operator", "end"]

TOKEN = re.compile(
    r"(?P<text>\\(?:text[a-z]*|mbox|mathrm|mathsf|mathtt|operatorname\*?|hbox)\s*\{(?P<inner>[^{}]*)\})"
    r"|(?P<command>\\(?:begin|end)\s*\{[A-Za-z*]+\}|\\[A-Za-z]+|\\.)"
    r"|(?P<number>(?P<digits>NUMBER)(?P<exponent>[eE][+-]?\d{1,6}(?![\w.]))?)"
    r"|(?P<word>[^\W\d_]+)"
    r"|(?P<operator><=|>=|!=|==|\*\*|\.\.\.|\S)".replace(
        "NUMBER",
        r"[1-9]\d{0,2}(?:,\d{3})+(?![\d,])(?:\.\d+)?|\d{1,3}(?:\.\d{3})+,\d+(?!\d)"
        r"|\d{1,3}(?:\ \d{3})+(?!\d)"
        r"(?:\.\d+)?|\d+\.\d+|\.\d+|\d+(?:\.(?![.\w]))?",
    ),
    re.DOTALL,
)
BRACKETED = re.compile(r"\d+(?:\.\d+)?|\.\d+")
OPENING, CLOSING = frozenset("([{") | {r"\{"}, frozenset(")]}") | {r"\}"}
EUROPEAN = re.compile(r"\d{1,3}(?:\.\d{3})+,\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token; `spaced` says whether a space precedes it."""

    type: TokenType
    value: str
    spaced: bool = False


def tokenize(text: str) -> list[Token]:
    """The tokens of a text; a comma inside brackets never separates thousands.

    Raises:
        UnreadableError: a character sequence is not a token.
    """
    tokens: list[Token] = []
    position, depth = 0, 0
    while position < len(text):
        match = TOKEN.match(text, position)
        if match is None:
            position += 1
            continue
        token, end = _token(match, depth, _has_space_before(text, position))
        depth += (token.value in OPENING) - (token.value in CLOSING and depth > 0)
        tokens.append(token)
        position = end
    return tokens


def _has_space_before(text: str, position: int) -> bool:
    return position > 0 and text[position - 1].isspace()


def _token(match: re.Match[str], depth: int, spaced: bool) -> tuple[Token, int]:
    group = match.lastgroup
    end = match.end()
    if match["text"] is not None:
        return Token(type="text", value=match["inner"].strip(), spaced=spaced), end
    if match["number"] is not None:
        digits = match["digits"]
        if " " in digits and not _is_grouped(digits, match.string[end:]):
            digits = digits.partition(" ")[0]
            return Token(type="number", value=digits, spaced=spaced), match.start() + len(digits)
        if depth and ("," in digits or " " in digits):
            part = BRACKETED.match(match[0])
            digits = part[0] if part else digits
            end = match.start() + len(digits)
            return Token(type="number", value=digits, spaced=spaced), end
        return Token(
            type="number", value=_decimal(digits) + (match["exponent"] or ""), spaced=spaced
        ), end
    if match["command"] is not None:
        return Token(type="command", value="".join(match[0].split()), spaced=spaced), end
    if match["word"] is not None:
        return Token(type="word", value=match[0], spaced=spaced), end
    if match[0] == "!=" and not spaced and match.start():
        # 5!=120 is a factorial and an equals sign; n!=120 may be either.
        if match.string[match.start() - 1].isdigit():
            return Token(type="operator", value="!"), end - 1
        raise UnreadableError("a factorial or an inequality")
    if group != "operator":
        raise UnreadableError(f"cannot read {match[0][:20]!r}")
    return Token(type="operator", value=match[0], spaced=spaced), end


def _is_grouped(digits: str, following: str) -> bool:
    """Whether spaces separate thousands, rather than numbers or an integer and its fraction.

    `100 200 300` may be a list.
    """
    first, *groups = digits.partition(".")[0].split(" ")
    return not following.lstrip().startswith("/") and (len(first) < 3 or "000" in groups)


def _decimal(digits: str) -> str:
    """The digits with a decimal point and without thousands separators."""
    if EUROPEAN.fullmatch(digits):
        return digits.replace(".", "").replace(",", ".")
    return digits.replace(",", "").replace(" ", "")


END = Token(type="end", value="")


class TokenStream:
    """A list of tokens and the position of the next one."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.position = 0

    def peek(self, ahead: int = 0) -> Token:
        """The next token, or the one after `ahead` others; `END` after the last."""
        index = self.position + ahead
        return self.tokens[index] if index < len(self.tokens) else END

    def take(self) -> Token:
        """Consume and return the next token."""
        token = self.peek()
        self.position += 1
        return token

    def accept(self, *values: str) -> bool:
        """Consume the next token if it is one of the operators or commands."""
        if self.peek().type in ("operator", "command") and self.peek().value in values:
            self.position += 1
            return True
        return False

    def expect(self, value: str) -> None:
        """Consume one operator or command.

        Raises:
            UnreadableError: the next token is a different one.
        """
        if not self.accept(value):
            raise UnreadableError(f"expected {value} before {self.peek().value!r}")
