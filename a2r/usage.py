"""Usage: calls, tokens and cost, where an unknown number is `None`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from a2r._internal.models import FrozenModel

__all__ = [
    "Usage",
    "UsageByRole",
    "add_known",
    "estimate_prompt_tokens",
    "estimate_tokens",
    "total",
]

# UTF-8 bytes per token: about four in English, about three in formulas and Chinese.
MAX_BYTES_PER_TOKEN = 4
MIN_BYTES_PER_TOKEN = 3
CHAT_TEMPLATE_TOKENS = 64
Number = TypeVar("Number", int, float)


class Usage(FrozenModel):
    """The usage of one or more calls.

    `calls` counts the requests that reached a server, including retries. Token counts are `None`
    where they are unknown. `estimated` is true if a count is a lower bound or an estimate, because
    a server did not report it or a call was cancelled. `cost` is in the currency of the prices.
    """

    calls: int = 0
    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0
    reasoning_tokens: int | None = 0
    cost: float | None = 0.0
    estimated: bool = False

    def __add__(self, other: Usage) -> Usage:
        """Add two usages; a number that is unknown in one of them is unknown in the sum."""
        return Usage(
            calls=self.calls + other.calls,
            prompt_tokens=add_known(self.prompt_tokens, other.prompt_tokens),
            completion_tokens=add_known(self.completion_tokens, other.completion_tokens),
            reasoning_tokens=add_known(self.reasoning_tokens, other.reasoning_tokens),
            cost=add_known(self.cost, other.cost),
            estimated=self.estimated or other.estimated,
        )


class UsageByRole(FrozenModel):
    """The usage of each role and the total."""

    explorer: Usage
    synthesizer: Usage
    total: Usage


def add_known(a: Number | None, b: Number | None) -> Number | None:
    """The sum, or `None` if either number is unknown."""
    return None if a is None or b is None else a + b


def total(usages: Iterable[Usage]) -> Usage:
    """The sum of the usages; of none, a usage of zero."""
    parts = list(usages)
    return Usage(
        calls=sum(part.calls for part in parts),
        prompt_tokens=_sum([part.prompt_tokens for part in parts], 0),
        completion_tokens=_sum([part.completion_tokens for part in parts], 0),
        reasoning_tokens=_sum([part.reasoning_tokens for part in parts], 0),
        cost=_sum([part.cost for part in parts], 0.0),
        estimated=any(part.estimated for part in parts),
    )


def _sum(numbers: Iterable[Number | None], start: Number) -> Number | None:
    """The sum, or `None` if any part is unknown."""
    for number in numbers:
        if number is None:
            return None
        start += number
    return start


def estimate_tokens(text: str) -> int:
    """A low estimate of the tokens of a text: one per four UTF-8 bytes, rounded up.

    For calls whose server does not report usage; such a usage is marked `estimated`.
    """
    return -(-len(text.encode("utf-8", "replace")) // MAX_BYTES_PER_TOKEN)


def estimate_prompt_tokens(texts: Iterable[str]) -> int:
    """A high estimate of the tokens of a prompt with these messages and its chat template."""
    size = sum(len(text.encode("utf-8", "replace")) for text in texts)
    return round(size / MIN_BYTES_PER_TOKEN) + CHAT_TEMPLATE_TOKENS
