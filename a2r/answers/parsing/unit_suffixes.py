"""Parser of the unit after a value: `cm^2`, `miles per hour`, `apples`."""

from __future__ import annotations

from a2r.answers.parsing.grammar import Grammar
from a2r.answers.parsing.known_functions import CONSTANTS, FUNCTIONS
from a2r.answers.parsing.symbols import CURRENCIES, ENDS, RELATIONS
from a2r.answers.parsing.tokenizer import END, Token
from a2r.answers.parsing.units import COMPOUND, FILLERS, LONE_LETTERS, is_known_unit

MAX_POWER = 12
FEET_AND_INCHES = {"'": "ft", '"': "in"}


class UnitParser(Grammar):
    """Parse units from the current position."""

    def unit(self) -> str:
        """Consume a unit at the end of the expression; return its spelling, or `""` without one."""
        start = self.position
        powers = self._unit_powers()
        letters = all(len(word) == 1 and word.isalpha() for word, _ in powers)
        if letters and any(t.type == "word" for t in self.tokens[start : self.position]):
            # Inside a formula a letter is a variable.
            powers = powers if self._is_lone(start) else []
        if powers and self._is_at_end():
            return "*".join(f"{word}^{power}" for word, power in powers)
        self.position = start
        return ""

    def _is_lone(self, start: int) -> bool:
        """Whether a number, which ends at `start`, and its unit are a value by themselves."""
        token = self.peek()
        after = token.type in ("end", "number", "text") or token.value in (",", ";", "and", "or")
        position = start - 1
        while position >= 0 and self._is_constant_token(position, start):
            position -= 1
        before = self.tokens[position] if position >= 0 else END
        opens = before.value in (",", ";", "and", "or") or before.value in RELATIONS
        return after and (before.type == "end" or opens)

    def _is_constant_token(self, position: int, start: int) -> bool:
        """Whether a token belongs to a number such as `-3` or `3 x 10^{-8}` before a unit."""
        token = self.tokens[position]
        if token.type == "number":
            return True
        if token.value in ("+", "-"):
            before = self.tokens[position - 1].value if position else ""
            return before in ("", "{", "^") or before in RELATIONS or before in (",", ";")
        return token.value in ("^", "{", "}", r"\times", r"\cdot") and start - position < 9

    def _is_at_end(self) -> bool:
        token = self.peek()
        return (
            token.type == "end"
            or (token.type == "number" and self.tokens[0].type == "number")
            or (token.value in RELATIONS or token.value in ENDS or token.value in (",", ";"))
            or token.value in ("+", "-", r"\quad", r"\qquad", r"\pm")
            or (token.type == "word" and token.value.lower() in ("and", "or"))
            or (token.type == "text" and token.value.strip(" ,").lower() in ("and", "or"))
        )

    def _unit_powers(self) -> list[tuple[str, int]]:
        powers: list[tuple[str, int]] = []
        sign, prefix = 1, 1
        while True:
            words = self._unit_words(bool(powers) or prefix > 1)
            if words is None:
                return powers
            for word in words:
                lower = word.lower().strip(".")
                if lower in ("per", "/"):
                    sign = -1
                elif lower in ("square", "sq"):
                    prefix = 2
                elif lower in ("cubic", "cu"):
                    prefix = 3
                elif lower in ("squared", "cubed") and powers:
                    powers[-1] = (powers[-1][0], powers[-1][1] * (2 if lower == "squared" else 3))
                elif word not in FILLERS and lower:
                    powers.append((word.strip("."), sign * prefix))
                    prefix = 1
            power = self._unit_exponent() if powers else None
            if power is not None:
                powers[-1] = (powers[-1][0], powers[-1][1] * power)
            if powers and abs(powers[-1][1]) > MAX_POWER:
                return []

    def _unit_words(self, started: bool) -> list[str] | None:
        """The words of the next token if it may belong to a unit, else `None`."""
        token = self.peek()
        if token.type == "text":
            words = token.value.replace("/", " / ").replace("-", " ").split()
            if not words or any(not _is_word(word) for word in words):
                return None
            if {"and", "or"} & {word.lower() for word in words}:
                return None
            self.take()
            return words
        if token.type == "word" and self._is_unit_word(token, started):
            self.take()
            self.accept(".") if self.peek(1).type in ("word", "end") else None
            return [token.value]
        if token.value in FEET_AND_INCHES and token.type == "operator" and not started:
            self.take()
            return [FEET_AND_INCHES[token.value]]
        if token.value in CURRENCIES or (token.value == "/" and started):
            following = self.peek(1)
            if token.value == "/" and following.type not in ("word", "text"):
                return None
            self.take()
            return [token.value]
        ohm = self._ohm(token) if not started else None
        if ohm is not None:
            return ohm
        if started and token.value in (r"\cdot", "*") and self.peek(1).type in ("word", "text"):
            self.take()
            return []
        if token.value == "^" and not started:
            return self.degree()
        return None

    def _ohm(self, token: Token) -> list[str] | None:
        """The unit ohm as its sign, which may have a prefix."""
        prefix = token.value if token.value in ("k", "M", "m") and token.type == "word" else ""
        if self.peek(len(prefix)).value != r"\Omega":
            return None
        self.position += len(prefix) + 1
        return [f"{prefix}ohm"]

    def _is_unit_word(self, token: Token, started: bool) -> bool:
        word = token.value
        if word.lower() in ("and", "or", "mod", "if", "for", "where", "when", "is", "x"):
            return False
        if (word in FUNCTIONS and not is_known_unit(word)) or word in CONSTANTS:
            return False
        if len(word) == 1:
            previous = self.tokens[self.position - 1] if self.position else END
            separate = token.spaced or self.position == 1
            lone = word in LONE_LETTERS and separate and self._ends_number(previous)
            return lone or (started and is_known_unit(word) is not None)
        if (
            is_known_unit(word)
            or word.lower() in COMPOUND
            or word.lower() in ("square", "sq", "cubic")
        ):
            return True
        return token.spaced and len(word) > 2

    def _ends_number(self, previous: Token) -> bool:
        """Whether a token ends a number, which may be a power of ten in braces."""
        return previous.type == "number" or (
            previous.value == "}" and self.tokens[self.position - 2].type == "number"
        )

    def _unit_exponent(self) -> int | None:
        written = self.peek()
        if written.type == "number" and written.value in ("2", "3") and not written.spaced:
            # cm2 means square centimeters.
            self.take()
            return int(written.value)
        if not (self.peek().value == "^" or self.peek().value == "**"):
            return None
        start = self.position
        self.take()
        braced = self.accept("{")
        sign = -1 if self.accept("-") else 1
        token = self.take()
        if token.type == "number" and token.value.isdigit() and (not braced or self.accept("}")):
            return sign * int(token.value[:3])
        self.position = start
        return None

    def degree(self) -> list[str] | None:
        r"""Consume `^\circ`, with or without braces, and the letter of a temperature scale."""
        braced = self.peek(1).value == "{"
        if self.peek(2 if braced else 1).value not in (r"\circ", r"\degree"):
            return None
        self.position += 4 if braced else 2
        token = self.peek()
        if token.value in ("C", "F", "K") and token.type in ("word", "text"):
            self.take()
            return [f"°{token.value}"]
        return ["degree"]


def _is_word(word: str) -> bool:
    return word == "/" or word.strip(".'()").replace("-", "").isalpha()
