"""Parser of names: variables with their indices, constants, words in formulas."""

from __future__ import annotations

import re

from a2r.answers.errors import TooDeepError, UnreadableError
from a2r.answers.parsing.expression import Term, call, constant, symbol
from a2r.answers.parsing.function_calls import FunctionParser
from a2r.answers.parsing.known_functions import (
    CONSTANTS,
    FACTOR_LETTERS,
    FUNCTION_LETTERS,
    FUNCTIONS,
    GREEK_FUNCTIONS,
    NUMBER_WORDS,
)
from a2r.answers.parsing.natural_language import PREFIX_FUNCTIONS, is_word
from a2r.answers.parsing.numbers import NumberParser
from a2r.answers.parsing.tokenizer import Token, tokenize

FORMULA_SIGNS = frozenset("+-=^({/") | {r"\frac", r"\sqrt"}
DIFFERENTIAL = re.compile(r"d[a-zA-Z]")


class NameParser(NumberParser, FunctionParser):
    """Parse names from the current position."""

    def word(self, token: Token) -> Term:
        """A run of letters: a function, a constant, a number word, a product of variables."""
        word = token.value
        lower = word.lower()
        if word in FUNCTIONS or (lower in FUNCTIONS and len(word) > 2):
            return self.function(FUNCTIONS.get(word) or FUNCTIONS[lower])
        if word in CONSTANTS or (lower in CONSTANTS and len(word) > 2):
            return constant(CONSTANTS.get(word) or CONSTANTS[lower])
        if lower in NUMBER_WORDS:
            return self._number_word(lower)
        if len(word) == 1:
            return self.name_from(word)
        if DIFFERENTIAL.fullmatch(word) or (len(word) <= 3 and self._is_symbol(word)):
            # Points and symbols such as AB, dB and dx are not products of their letters.
            return self.name_from(word)
        name = next((n for n in PREFIX_FUNCTIONS if word[:-1] == n), None)
        if name is not None:
            self._put_back(word[-1])
            return self.function(FUNCTIONS[name])
        if len(word) <= 3 and lower not in ("and", "or", "mod") and not is_word(word):
            return self._first_letter(word)
        raise UnreadableError(f"{word!r} is a word")

    def _is_symbol(self, word: str) -> bool:
        """Whether letters are one symbol: capitals, or mixed letters outside of a formula."""
        if word.isupper():
            return True
        return not word.islower() and not any(t.value in FORMULA_SIGNS for t in self.tokens)

    def _first_letter(self, letters: str) -> Term:
        """The first letter of a product such as `xy`; a power binds to the last letter only."""
        self.tokens[self.position - 1] = Token(type="word", value=letters[0])
        self._put_back(letters[1:])
        return self.name_from(letters[0])

    def _put_back(self, letters: str) -> None:
        self.tokens[self.position : self.position] = [
            Token(type="word", value=letter) for letter in letters
        ]

    def text(self, token: Token) -> Term:
        r"""Letters in `\text` or `\mathrm`: e, i, a function, a symbol, or words."""
        inner = token.value
        if inner == "d":
            raise UnreadableError("a differential")
        if inner in CONSTANTS or inner in FUNCTIONS or (len(inner) == 1 and inner.isalpha()):
            return self.word(Token(type="word", value=inner))
        try:
            parser = type(self)(tokenize(inner))
            parser.depth = self.depth
            term = parser.expression()
        except TooDeepError:
            raise
        except UnreadableError:
            raise UnreadableError(f"{inner!r} is a text") from None
        if parser.position < len(parser.tokens):
            raise UnreadableError(f"{inner!r} is a text")
        return term

    def name_from(self, letter: str) -> Term:
        """The variable, constant or function of a letter, with its index."""
        index = self._plain_index()
        if letter in CONSTANTS and self.peek().value != "_" and not index:
            return constant(CONSTANTS[letter])
        name = letter + index + self.suffix()
        is_function = name[0] in FUNCTION_LETTERS and not (
            name[0] in FACTOR_LETTERS and self._has_at_first_level("+", "-")
        )
        if self.peek().value == "(" and (is_function or self.is_applied(name)):
            return self.application(name)
        if self.peek().value == "[" and not self.peek().spaced:
            return self.application(name)
        return symbol(name)

    def application(self, name: str) -> Term:
        """A function of the name, applied to the arguments in the brackets that follow."""
        closing = {"(": ")", "[": "]"}[self.take().value]
        args = self.items(closing)
        self.expect(closing)
        return call(f"function:{name}", *args)

    def is_applied(self, name: str) -> bool:
        """Whether the brackets after a name hold arguments: `y(0)`, `C(5, 2)`, `a(n)`, `y'(x)`.

        `x(x + 1)` is a product, unless the same name is a function elsewhere.
        """
        if "'" in name or "^" in name or name in self.functions:
            return True
        inner, closing = self.peek(1), self.peek(2)
        lone = closing.value == ")" and inner.type in ("number", "word")
        if lone and (inner.type == "number" or (len(inner.value) == 1 and inner.value != name)):
            self.functions.add(name)
            return True
        return self._has_at_first_level(",") or self._is_defined()

    def _has_at_first_level(self, *signs: str) -> bool:
        """Whether the brackets that follow have one of the signs at their first level."""
        depth = ahead = 0
        while True:
            token = self.peek(ahead)
            depth += (token.value in ("(", "[", "{")) - (token.value in (")", "]", "}"))
            if depth == 0 or token.type == "end":
                return False
            if depth == 1 and token.value in signs:
                return True
            ahead += 1

    def _plain_index(self) -> str:
        """Consume digits right after a letter: `x1` is x with an index."""
        token = self.peek()
        if token.type != "number" or token.spaced or not token.value.isdigit():
            return ""
        self.position += 1
        return f"_{token.value}"

    def _is_defined(self) -> bool:
        """Whether `(x) =` follows, the definition of a function."""
        after = [self.peek(ahead) for ahead in (1, 2, 3)]
        return after[0].type == "word" and [t.value for t in after[1:]] == [")", "="]

    def suffix(self) -> str:
        """Consume the indices and primes after a name."""
        suffix = ""
        while True:
            if self.accept("_"):
                suffix += f"_{self.spelling()}"
            elif self.accept("'"):
                suffix += "'"
            elif self.peek().value == "^" and self.peek(1).value in (r"\prime", "'"):
                self.position += 2
                suffix += "'"
            elif (mark := self._function_mark()) != "":
                suffix += mark
            else:
                return suffix

    def _function_mark(self) -> str:
        """Consume `^{(4)}`, a derivative, or `^{-1}` before a bracket, an inverse function."""
        after = [self.peek(ahead).value for ahead in range(7)]
        if after[:3] == ["^", "{", "("] and after[4:6] == [")", "}"]:
            self.position += 6
            return f"^({after[3]})"
        if after[:6] == ["^", "{", "-", "1", "}", "("] and self._names_function():
            self.position += 5
            return "^-1"
        return ""

    def _names_function(self) -> bool:
        return self.tokens[self.position - 1].value in FUNCTION_LETTERS

    def _greek(self, name: str) -> Term:
        plain = name.removeprefix("var") + self.suffix()
        is_function = name.removeprefix("var") in GREEK_FUNCTIONS
        if self.peek().value == "(" and name != "pi":
            is_function = is_function or self.is_applied(plain)
        if is_function and self.peek().value in ("(", "["):
            return self.application(plain)
        following = self.peek()
        if name == "Delta" and following.type == "word" and not self.functions:
            self.take()
            return symbol(f"Delta {following.value}")
        return symbol(plain)

    def _number_set(self, letter: str) -> Term:
        mark = self.peek().value
        suffix = mark + self.spelling() if self.accept("^", "_") else ""
        name = f"numbers {letter}{suffix}"
        if self.peek().value in ("(", "["):
            return self.application(name)
        if self.peek().value == "/" or self.peek(-2).value == "/":
            raise UnreadableError("a quotient of a ring")
        return Term("symbol", (), name)

    def _decorated(self, name: str) -> Term:
        if name in ("angle", "triangle"):
            return symbol(f"{name} {self._vertices()}")
        decorated = f"{name} {self.spelling()}"
        if name.startswith("math") and self.peek().value in ("(", "["):
            return self.application(decorated)
        return symbol(decorated)

    def _vertices(self) -> str:
        """The vertices after an angle or triangle, which may be spaced: `A B C`."""
        vertices = self.spelling()
        while vertices.isupper() and self.peek().type == "word" and self.peek().value.isupper():
            vertices += self.take().value
        return vertices

    def _barred(self) -> Term:
        inner = self.spelling()
        if not inner.isalpha():
            raise UnreadableError("a bar over an expression")
        return symbol(f"bar {inner}")

    def spelling(self) -> str:
        """Consume an argument and return its spelling; an index is part of a name.

        Raises:
            UnreadableError: its brace is not closed.
        """
        if not self.accept("{"):
            return self.take().value
        text, depth = "", 1
        while depth:
            token = self.take()
            if token.type == "end":
                raise UnreadableError("the brace of an index is not closed")
            depth += (token.value == "{") - (token.value == "}")
            text += token.value if depth else ""
        return text
