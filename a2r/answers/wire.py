"""What a caller and a worker say to each other: one JSON document a line."""

from __future__ import annotations

from typing import Any

from a2r.answers.syntax import Term


def packed(term: Term) -> list[Any]:
    """A term as JSON values."""
    return [term.head, term.value, *(packed(arg) for arg in term.args)]


def unpacked(value: list[Any]) -> Term:
    """The term of JSON values."""
    head, held, *args = value
    return Term(head, tuple(unpacked(arg) for arg in args), held)
