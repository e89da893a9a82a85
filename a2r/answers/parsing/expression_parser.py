"""Parser of one expression, in LaTeX or plain text, into a syntax tree.

It is a recursive descent over tokens with a bounded depth; it evaluates and executes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from a2r.answers.errors import TooDeepError, UnreadableError
from a2r.answers.parsing.brackets import BracketParser
from a2r.answers.parsing.dates import parse_date_or_time
from a2r.answers.parsing.expression import Term, call, constant, inverse, negative, number, symbol
from a2r.answers.parsing.known_functions import CONSTANTS, FUNCTIONS, GREEK
from a2r.answers.parsing.names import NameParser
from a2r.answers.parsing.symbols import (
    BAR_FUNCTIONS,
    CURRENCIES,
    NO_FACTORS,
    OVER,
    SIGNS,
    TIMES,
    apply_sign_to,
    flip_sign,
    product,
    remainder,
    times,
)
from a2r.answers.parsing.tokenizer import Token
from a2r.answers.parsing.unit_suffixes import UnitParser

MAX_DEPTH = 90
PERCENT = ("%", r"\%", "percent", "pct", "percentage")


class ExpressionParser(UnitParser, NameParser, BracketParser):
    """Parse expressions from the current position."""

    def expression(self) -> Term:
        """An expression: sums joined by unions, set differences and ratios."""
        with self.deeper():
            return self._expression()

    def _expression(self) -> Term:
        left = self.sum()
        while True:
            if self.accept(r"\cup"):
                left = Term("union", (*_members(left), self.sum()))
            elif self.accept(r"\setminus", r"\backslash"):
                left = Term("without", (left, self.sum()))
            elif (clock := self._clock(left)) is not None:
                left = clock
            elif self.accept(":", r"\colon"):
                left = Term(
                    "ratio", (*(left.args if left.head == "ratio" else (left,)), self.sum())
                )
            else:
                return left

    def _clock(self, hour: Term) -> Term | None:
        """A time of day such as `4:30`, consumed; `None` for other ratios."""
        minute, half = self.peek(1), self.peek(2)
        if self.peek().value != ":" or hour.head != "number" or minute.type != "number":
            return None
        has_half = half.type in ("word", "text") and half.value.lower() in ("am", "pm")
        text = f"{self.tokens[self.position - 1].value}:{minute.value}"
        time = parse_date_or_time(f"{text} {half.value}" if has_half else text)
        if time is None and has_half:
            raise UnreadableError("an hour that does not exist")
        if time is not None:
            self.position += 3 if has_half else 2
        return time

    def sum(self) -> Term:
        """A sum of products with signs between them."""
        terms: list[Term] = []
        sign = self.sign()
        while True:
            term = self.product()
            terms.append(apply_sign_to(sign, term))
            if (
                (self.peek().type == "operator" and self.peek().value in SIGNS)
                or self.peek().value in (r"\pm", r"\mp")
                or self._is_plus_minus()
            ):
                sign = self.sign()
            else:
                return terms[0] if len(terms) == 1 else Term("sum", tuple(terms))

    def _is_plus_minus(self) -> bool:
        return self.peek().value == "+" and self.peek(1).value == "/"

    def sign(self) -> str:
        """Consume the signs here: none, minus, plus-minus or minus-plus."""
        sign = ""
        while True:
            token = self.peek()
            if token.value == "+" and self.peek(1).value == "/" and self.peek(2).value == "-":
                self.position += 3
                sign = "pm"
            elif token.type == "operator" and token.value in SIGNS:
                self.take()
                sign = flip_sign(sign) if token.value == "-" else sign
            elif token.value in (r"\pm", r"\mp"):
                self.take()
                sign = "pm" if token.value == r"\pm" else "mp"
            else:
                return sign

    def product(self) -> Term:
        """A product of factors: multiplied by an operator or by juxtaposition, and divided."""
        factors = [self.factor()]
        while True:
            token = self.peek()
            if token.value in TIMES and token.type != "word":
                self.take()
                sign = self.sign()
                following = apply_sign_to(sign, self.factor())
                crossed = times(factors[-1], following, token.value)
                if crossed is None:
                    factors.append(following)
                else:
                    factors[-1] = crossed
            elif token.value in OVER and token.type != "word":
                self.take()
                sign = self.sign()
                factors.append(inverse(apply_sign_to(sign, self.factor())))
            elif token.value == r"\bmod" and not self.in_congruence:
                self.take()
                factors = [remainder(product(factors), self.factor())]
            elif unit := self.unit():
                factors = [Term("quantity", (product(factors),), unit)]
            elif self.starts_factor(token) or self._is_factorial(factors[-1]):
                factors.append(self.factor())
            else:
                return _product(factors)

    def _is_factorial(self, before: Term) -> bool:
        """Whether a factorial such as 3! follows another one, as in 7!3!."""
        follows = before.head == "call" and before.value == "factorial"
        return follows and self.peek().type == "number" and self.peek(1).value == "!"

    def starts_factor(self, token: Token) -> bool:
        """Whether a factor can start with the token."""
        if token.value in (r"\bmod", r"\mod"):
            return False
        if token.type in ("end", "text"):
            return False
        if token.type == "number":
            # "2 3" is not a product.
            return False
        if token.type == "word":
            return token.value.lower() not in ("and", "or", "mod")
        if token.type == "command":
            name = token.value
            return name not in NO_FACTORS and not name.startswith(r"\end")
        if token.value == "|":
            return self.bars == 0
        if token.value == "(" and self.peek(1).value == "mod":
            return False
        return token.value in ("(", "[", "{")

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """Enter one level of nesting.

        Raises:
            TooDeepError: there are too many levels.
        """
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise TooDeepError("nested too deeply")
        try:
            yield
        finally:
            self.depth -= 1

    def factor(self) -> Term:
        """A primary and its postfix operators: powers, factorials, percent."""
        with self.deeper():
            return self.postfix(self.primary())

    def postfix(self, base: Term) -> Term:
        """The base with its powers, factorials and percent signs."""
        while True:
            token = self.peek()
            if token.value in ("^", "**") and token.type == "operator":
                if self.is_degree():
                    return base
                self.take()
                if [self.peek().value, self.peek(1).value] == ["{", "+"]:
                    raise UnreadableError("an electric charge")
                exponent = self.argument(negatable=True)
                self.has_matrices |= _is_matrix_power(base, exponent)
                base = Term("power", (base, exponent))
            elif token.value == "!" and token.type == "operator":
                self.take()
                double = self.accept("!")
                base = call("factorial2" if double else "factorial", base)
            elif self._is_percent(token):
                self.take()
                base = Term("percent", (base,))
            else:
                return base

    def is_degree(self) -> bool:
        """Whether the next tokens are a degree sign."""
        ahead = 2 if self.peek(1).value == "{" else 1
        return self.peek(ahead).value in (r"\circ", r"\degree")

    def _is_percent(self, token: Token) -> bool:
        if token.type in ("word", "text"):
            return token.value.lower() in PERCENT
        return token.value in ("%", r"\%")

    def argument(self, *, negatable: bool = False) -> Term:
        """A LaTeX argument: a group in braces or a single token."""
        with self.deeper():
            return self._argument(negatable)

    def _argument(self, negatable: bool) -> Term:
        if self.accept("{"):
            inner = self.group("}")
            self.expect("}")
            return inner
        sign = self.sign() if negatable else ""
        if sign:
            return apply_sign_to(sign, self.argument())
        token = self.peek()
        digits = token.type == "number" and token.value.isdigit()
        if digits and not negatable and len(token.value) > 1:
            # \frac12 reads one digit at a time.
            self.tokens[self.position] = Token(type="number", value=token.value[1:])
            return number(int(token.value[0]))
        if negatable and token.type in ("number", "word"):
            return self.power_tower(self.primary())
        if token.type == "word" and not negatable:
            return self._letter(token)
        return self.primary()

    def _letter(self, token: Token) -> Term:
        r"""The first letter of a word, as an argument without braces: `\frac n4` is n over 4."""
        self.tokens[self.position] = Token(type="word", value=token.value[1:])
        self.position += len(token.value) == 1
        letter = token.value[0]
        return constant(CONSTANTS[letter]) if letter in CONSTANTS else symbol(letter)

    def power_tower(self, base: Term) -> Term:
        """A power tower: `2^3^2` is 2 to the 9th."""
        if self.accept("^", "**"):
            return Term("power", (base, self.argument(negatable=True)))
        return base

    def primary(self) -> Term:
        """A number, a name, a bracket, or a command with its arguments."""
        with self.deeper():
            return self._primary(self.take())

    def _primary(self, token: Token) -> Term:
        if token.type == "number":
            return self.number_from(token)
        if token.type == "word":
            return self.word(token)
        if token.type == "text":
            return self.text(token)
        if token.value in ("(", "[", r"\{", r"\langle", r"\lbrace", r"\lopen"):
            return self.bracket(token.value)
        if token.value == "{":
            inner = self.group("}")
            self.expect("}")
            return inner
        if token.value in CURRENCIES:
            return Term("quantity", (self.factor(),), f"{token.value}^1")
        if token.value in BAR_FUNCTIONS:
            return self.in_bars(token.value)
        if token.type == "command":
            return self.command(token.value)
        raise UnreadableError(f"cannot read {token.value[:20]!r}")

    def command(self, command: str) -> Term:
        """The expression of a LaTeX command, which is consumed."""
        name = command[1:]
        if name in FUNCTIONS and name != "sqrt":
            return self.function(FUNCTIONS[name])
        if name in CONSTANTS and name not in ("e", "i", "inf"):
            return constant(CONSTANTS[name])
        if name in GREEK:
            return self._greek(name)
        if name.startswith("begin"):
            return self.environment(name.removeprefix("begin{").removesuffix("}"))
        match name:
            case "frac" | "dfrac" | "tfrac" | "cfrac":
                top = self.argument()
                return Term("product", (top, inverse(self.argument())))
            case "sqrt":
                return self._root()
            case "surd":
                return self._root_sign(2)
            case "cuberoot":
                return self._root_sign(3)
            case "binom" | "dbinom" | "tbinom":
                top = self.argument()
                return call("binomial", top, self.argument())
            case "overline" | "bar":
                return self._barred()
            case "emptyset" | "varnothing":
                return Term("set")
            case "numbersR" | "numbersZ" | "numbersN" | "numbersQ" | "numbersC":
                return self._number_set(name[-1])
            case "vec" | "overrightarrow" | "hat" | "widehat" | "tilde" | "angle" | "triangle":
                return self._decorated(name)
            case "mathcal" | "mathbb" | "mathfrak" | "mathscr":
                return self._decorated(name)
        raise UnreadableError(f"{command} is not supported")


def _product(factors: list[Term]) -> Term:
    """The product of factors.

    Raises:
        UnreadableError: they may not commute: a matrix and a capital letter, or operators.
    """
    names = [factor.value for factor in factors if factor.head == "symbol"]
    capitals = any(len(name) == 1 and name.isupper() for name in names)
    matrices = any(factor.head == "matrix" for factor in factors)
    if (capitals and matrices) or sum(name.startswith("hat ") for name in names) > 1:
        raise UnreadableError("a product that may depend on the order")
    return product(factors)


def _is_matrix_power(base: Term, exponent: Term) -> bool:
    """Whether a power is the inverse or the transpose of a matrix: a capital letter."""
    if base.head != "symbol" or len(base.value) != 1 or not base.value.isupper():
        return False
    return exponent == negative(number(1)) or exponent == symbol("T")


def _members(term: Term) -> tuple[Term, ...]:
    return term.args if term.head == "union" else (term,)
