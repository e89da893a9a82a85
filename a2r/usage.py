"""Counting what was spent: tokens, calls and cost, where an unknown stays `None`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from a2r._internal.models import FrozenModel

# UTF-8 bytes a token: English has about four, formulas and Chinese about three.
MAX_BYTES_PER_TOKEN = 4
MIN_BYTES_PER_TOKEN = 3
CHAT_TEMPLATE_TOKENS = 64
Number = TypeVar("Number", int, float)


class Usage(FrozenModel):
    """What one or more calls spent.

    `calls` counts the requests that reached a server, retries included. Tokens are `None` where
    they are unknown; `estimated` says that a count is a lower bound or a guess, because a server
    did not report it or a call was cut short. `cost` is in the currency of the role's price.
    """

    calls: int = 0
    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0
    reasoning_tokens: int | None = 0
    cost: float | None = 0.0
    estimated: bool = False

    def __add__(self, other: Usage) -> Usage:
        """Add up two usages; a token count that one side does not know is lost to the sum."""
        return Usage(
            calls=self.calls + other.calls,
            prompt_tokens=add_known(self.prompt_tokens, other.prompt_tokens),
            completion_tokens=add_known(self.completion_tokens, other.completion_tokens),
            reasoning_tokens=add_known(self.reasoning_tokens, other.reasoning_tokens),
            cost=add_known(self.cost, other.cost),
            estimated=self.estimated or other.estimated,
        )


class UsageByRole(FrozenModel):
    """Usage of the two roles and of both together."""

    explorer: Usage
    synthesizer: Usage
    total: Usage


def add_known(a: Number | None, b: Number | None) -> Number | None:
    """The sum, or `None` if either part is unknown."""
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
    """The tokens of a text, rather too few: one for every four UTF-8 bytes, rounded up.

    Only for calls whose server reports none; such a count is always marked `estimated`.
    """
    return -(-len(text.encode("utf-8", "replace")) // MAX_BYTES_PER_TOKEN)


def estimate_prompt_tokens(texts: Iterable[str]) -> int:
    """The tokens of a prompt of these messages, rather too many, its chat template included."""
    size = sum(len(text.encode("utf-8", "replace")) for text in texts)
    return round(size / MIN_BYTES_PER_TOKEN) + CHAT_TEMPLATE_TOKENS
