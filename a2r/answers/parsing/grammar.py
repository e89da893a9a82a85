"""What the parts of the grammar need of one another."""

from __future__ import annotations

from abc import ABC, abstractmethod

from a2r.answers.parsing.expression import Term
from a2r.answers.parsing.tokenizer import Token, TokenStream


class Grammar(TokenStream, ABC):
    """Tokens, and the rules that every part of the grammar may call."""

    def __init__(self, tokens: list[Token]) -> None:
        super().__init__(tokens)
        self.depth = 0
        self.bars = 0

    @abstractmethod
    def expression(self) -> Term:
        """Sums joined by unions, set differences and ratios."""

    @abstractmethod
    def factor(self) -> Term:
        """A primary with what follows it: powers, factorials, percent."""

    @abstractmethod
    def primary(self) -> Term:
        """A number, a name, a bracket, or a command with its arguments."""

    @abstractmethod
    def argument(self, *, negatable: bool = False) -> Term:
        """A group in braces, or a single token: what LaTeX takes as an argument."""

    @abstractmethod
    def items(self, closing: str) -> list[Term]:
        """Expressions between commas up to a closing bracket, not consumed."""

    @abstractmethod
    def sign(self) -> str:
        """The sign that stands here: none, minus, plus-minus or minus-plus."""

    @abstractmethod
    def starts_factor(self, token: Token) -> bool:
        """Whether a factor begins with a token."""

    @abstractmethod
    def is_degree(self) -> bool:
        """Whether the sign of degrees comes next."""

    @abstractmethod
    def degree(self) -> list[str] | None:
        """The sign of degrees, consumed, with the scale of a temperature."""
