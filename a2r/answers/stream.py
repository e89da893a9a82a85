"""Tokens that are read one after the other."""

from __future__ import annotations

from a2r.answers.tokens import Token, UnreadableError

END = Token(sort="end", value="")


class Stream:
    """A list of tokens, read from `position` on."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.position = 0

    def peek(self, ahead: int = 0) -> Token:
        """The token that comes next, or after `ahead` others."""
        at = self.position + ahead
        return self.tokens[at] if at < len(self.tokens) else END

    def take(self) -> Token:
        """The next token, consumed."""
        token = self.peek()
        self.position += 1
        return token

    def accept(self, *values: str) -> bool:
        """Consume the next token if it is one of the signs or commands."""
        if self.peek().sort in ("sign", "command") and self.peek().value in values:
            self.position += 1
            return True
        return False

    def expect(self, value: str) -> None:
        """Consume one sign or command.

        Raises:
            UnreadableError: something else comes next.
        """
        if not self.accept(value):
            raise UnreadableError(f"expected {value} before {self.peek().value!r}")
