"""Parser of functions and roots with their arguments."""

from __future__ import annotations

from fractions import Fraction

from a2r.answers.errors import UnreadableError
from a2r.answers.parsing.expression import (
    Term,
    call,
    constant,
    free_symbols,
    inverse,
    is_constant,
    negative,
    number,
)
from a2r.answers.parsing.grammar import Grammar
from a2r.answers.parsing.known_functions import FUNCTIONS
from a2r.answers.parsing.symbols import apply_sign_to, product
from a2r.answers.parsing.tokenizer import Token

INVERTIBLE = frozenset(
    {"sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "coth", "sech", "csch"}
)


class FunctionParser(Grammar):
    """Parse functions from the current position."""

    def _root(self) -> Term:
        r"""A root after `\sqrt`; its argument is a single token if it has no braces."""
        degree = number(2)
        if self.accept("["):
            degree = self.expression()
            self.expect("]")
        inner = self.primary() if self.peek().value == "(" else self.argument()
        return Term("power", (inner, inverse(degree)))

    def _root_sign(self, degree: int) -> Term:
        """A root after the root sign; its argument is an integer, a name or a bracket."""
        return Term("power", (self.primary(), number(Fraction(1, degree))))

    def function(self, name: str) -> Term:
        """A function after its name: base, power and arguments."""
        base: Term | None = None
        power: Term | None = None
        while self.peek().value in ("^", "_"):
            if self.accept("_"):
                base = self._base()
            else:
                self.take()
                if [self.peek().value, self.peek(1).value] == ["{", "("]:
                    raise UnreadableError("a derivative of a function")
                power = self.argument(negatable=True)
        attached = self.peek()
        if attached.type == "number" and not attached.spaced and self.peek(1).value == "(":
            # log2(8) has base 2, and atan2(1, 2) is another function than atan.
            if name != "log" or base is not None:
                raise UnreadableError(f"{name} with a number")
            base = self.number_from(self.take())
        if base is not None and name != "log":
            raise UnreadableError(f"{name} with an index")
        args = [_in_radians(arg) for arg in self._arguments(name)]
        if power is not None and power == negative(number(1)) and name in INVERTIBLE:
            return call(f"a{name}", *args)
        value = _call(name, args, base)
        return value if power is None else Term("power", (value, power))

    def _base(self) -> Term:
        r"""The base of a logarithm: `log_23(5)` has base 23, `\log_28` is the logarithm of 8."""
        token = self.peek()
        whole = token.type == "number" and self.starts_factor(self.peek(1))
        return self.number_from(self.take()) if whole else self.argument()

    def _arguments(self, name: str) -> list[Term]:
        opening = self.peek().value
        if opening in ("(", "[", "{"):
            self.take()
            closing = {"(": ")", "[": "]", "{": "}"}[opening]
            args = self.items(closing)
            self.expect(closing)
            if not args:
                raise UnreadableError(f"{name} without an argument")
            return args
        factors = [apply_sign_to(self.sign(), self.factor())]
        while self._starts_argument(self.peek()):
            factors.append(self.factor())
        if self.peek().value == "/" and not free_symbols(product(factors)):
            # sin 2pi/3 is sin(2pi/3), and sin x/2 is sin(x)/2.
            self.take()
            factors.append(inverse(self.factor()))
        if self.peek().value in ("(", "[", "|") and is_constant(factors[-1]):
            raise UnreadableError("an argument that may go on")
        if self.is_degree() and self.peek().value == "^":
            self.degree()
            factors += [constant("pi"), inverse(number(180))]
        return [product(factors)]

    def _starts_argument(self, token: Token) -> bool:
        """Whether the argument of a function without brackets continues with this token."""
        if not self.starts_factor(token) or token.value in ("(", "[", "|"):
            return False
        name = token.value.removeprefix("\\")
        return name not in FUNCTIONS


def _call(name: str, args: list[Term], base: Term | None) -> Term:
    first = args[0]
    match name:
        case "sqrt":
            return Term("power", (first, number(Fraction(1, 2))))
        case "cbrt":
            return Term("power", (first, number(Fraction(1, 3))))
        case "exp":
            return Term("power", (constant("e"), first))
        case "ln":
            return call("log", first)
        case "lg":
            return call("log", first, number(10))
        case "log":
            return call("log", first) if base is None else call("log", first, base)
    return call(name, *args)


def _in_radians(term: Term) -> Term:
    """The term, with angles in degrees converted to radians."""
    if term.head == "sum":
        return Term("sum", tuple(_in_radians(arg) for arg in term.args))
    if term.head == "product" and term.args[-1].head == "quantity":
        return Term("product", (*term.args[:-1], _in_radians(term.args[-1])))
    if term.head == "quantity" and term.value == "degree^1":
        return Term("product", (term.args[0], constant("pi"), number(Fraction(1, 180))))
    return term
