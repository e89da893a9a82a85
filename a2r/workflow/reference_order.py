"""The order of the references: shuffled by the seed, with `order: votes` most votes first."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Literal

from a2r.workflow.reference import Reference


def order_references(
    references: Sequence[Reference],
    order: Literal["shuffled", "votes"],
    *,
    seed: int | None,
    question: str,
) -> list[Reference]:
    """The references in the config's order; equal votes are shuffled."""
    shuffled = shuffle(references, seed, question)
    if order == "votes":
        return sorted(shuffled, key=lambda reference: -reference.votes)
    return shuffled


def shuffle(references: Sequence[Reference], seed: int | None, question: str) -> list[Reference]:
    """The references in an order that the seed and the question fix (an unset seed counts as 0)."""
    order = list(references)
    random.Random(f"{seed or 0}:{question}").shuffle(order)
    return order
