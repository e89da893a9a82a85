"""The rules that the parts of the grammar share."""

from __future__ import annotations

from abc import ABC, abstractmethod

from a2r.answers.parsing.expression import Term
from a2r.answers.parsing.tokenizer import Token, TokenStream


class Grammar(TokenStream, ABC):
    """A token stream and the rules that every part of the grammar may call."""

    def __init__(self, tokens: list[Token]) -> None:
        super().__init__(tokens)
        self.depth = 0
        self.bars = 0
        self.functions: set[str] = set()
        self.in_congruence = False
        self.has_matrices = False

    @abstractmethod
    def expression(self) -> Term:
        """An expression: sums joined by unions, set differences and ratios."""

    @abstractmethod
    def factor(self) -> Term:
        """A primary and its postfix operators: powers, factorials, percent."""

    @abstractmethod
    def primary(self) -> Term:
        """A number, a name, a bracket, or a command with its arguments."""

    @abstractmethod
    def argument(self, *, negatable: bool = False) -> Term:
        """A LaTeX argument: a group in braces or a single token."""

    @abstractmethod
    def number_from(self, token: Token) -> Term:
        """The number that starts with a token, which is consumed."""

    @abstractmethod
    def condition(self, tokens: list[Token]) -> Term:
        """The complete answer that other tokens form, such as the condition of a set."""

    @abstractmethod
    def items(self, closing: str) -> list[Term]:
        """Expressions between commas up to a closing bracket, which is not consumed."""

    @abstractmethod
    def sign(self) -> str:
        """Consume the signs here: none, minus, plus-minus or minus-plus."""

    @abstractmethod
    def starts_factor(self, token: Token) -> bool:
        """Whether a factor can start with the token."""

    @abstractmethod
    def is_degree(self) -> bool:
        """Whether the next tokens are a degree sign."""

    @abstractmethod
    def degree(self) -> list[str] | None:
        """Consume a degree sign, with the scale of a temperature."""
