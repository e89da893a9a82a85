"""Parser of numbers: decimals, mixed numbers, repeating decimals, other bases, number words."""

from __future__ import annotations

from fractions import Fraction

from a2r.answers.errors import UnreadableError
from a2r.answers.parsing.expression import Term, number
from a2r.answers.parsing.grammar import Grammar
from a2r.answers.parsing.known_functions import NUMBER_WORDS
from a2r.answers.parsing.numerals import decimal_fraction, decimal_with_ellipsis, repeating_decimal
from a2r.answers.parsing.tokenizer import Token


class NumberParser(Grammar):
    """Parse numbers from the current position."""

    def number_from(self, token: Token) -> Term:
        """The number that starts with a token: mixed, repeating, in another base, or plain."""
        value = decimal_fraction(token.value)
        following = self.peek()
        if following.value in (r"\overline", r"\bar", r"\dot"):
            return self._repeating(token.value)
        if following.value in (r"\ldots", r"\dots", "...", r"\cdots") and "." in token.value:
            self.take()
            return number(decimal_with_ellipsis(token.value))
        if following.value == "(" and "." in token.value and self.peek(2).value == ")":
            repeated = self.peek(1)
            if repeated.type == "number" and repeated.value.isdigit() and not following.spaced:
                self.position += 3
                return number(repeating_decimal(token.value, repeated.value))
        if following.value == "_":
            return self._in_base(token.value)
        if "." in token.value:
            return Term("decimal", (number(value),), str(len(token.value.partition(".")[2])))
        return number(value + self._mixed(token))

    def _mixed(self, integer: Token) -> Fraction:
        """Consume the proper fraction after an integer, as in 1 1/2; 0 without one."""
        if not integer.value.isdigit():
            return Fraction(0)
        start = self.position
        if self.accept(r"\frac"):
            top, bottom = self._two_digits() or (self._plain_argument(), self._plain_argument())
            if top and bottom and int(top) < int(bottom):
                return Fraction(int(top), int(bottom))
        elif self.peek().type == "number" and self.peek().spaced and self.peek(1).value == "/":
            upper, lower = self.peek().value, self.peek(2).value
            if (
                upper.isdigit()
                and lower.isdigit()
                and 0 < len(lower) < 9
                and int(upper[:9]) < int(lower)
            ):
                self.position += 3
                return Fraction(int(upper), int(lower))
        self.position = start
        return Fraction(0)

    def _two_digits(self) -> tuple[str, str] | None:
        r"""Consume both arguments of `\frac12`."""
        token = self.peek()
        if token.type != "number" or not token.value.isdigit() or len(token.value) != 2:
            return None
        self.position += 1
        return token.value[0], token.value[1]

    def _plain_argument(self) -> str:
        """Consume digits, braced or single, as an argument of a fraction; `""` without any."""
        inner = self.peek(1)
        if self.peek().value == "{" and inner.type == "number" and self.peek(2).value == "}":
            self.position += 3
            return inner.value[:9] if inner.value.isdigit() else ""
        token = self.peek()
        if token.type == "number" and token.value.isdigit() and len(token.value) == 1:
            self.position += 1
            return token.value
        return ""

    def _repeating(self, digits: str) -> Term:
        self.take()
        self.expect("{")
        repeated = self.take()
        self.expect("}")
        if not repeated.value.isdigit() or "." not in digits + ".":
            raise UnreadableError("a bar over something other than digits")
        return number(repeating_decimal(digits, repeated.value))

    def _in_base(self, digits: str) -> Term:
        self.take()
        base = self.argument()
        if base.head != "number" or base.rational.denominator != 1 or not digits.isdigit():
            raise UnreadableError("a number with an index")
        value = int(base.rational)
        if value == 10:
            return number(decimal_fraction(digits))
        return Term("based", (), f"{digits.lstrip('0') or '0'}_{value}")

    def _number_word(self, word: str) -> Term:
        value = NUMBER_WORDS[word]
        following = self.peek(1) if self.peek().value == "-" else self.peek()
        ones = NUMBER_WORDS.get(following.value.lower(), 0)
        if value >= 20 and 0 < ones < 10 and following.type == "word":
            self.position += 2 if self.peek().value == "-" else 1
            value += ones
        return number(value)
