"""An answer as it was found in a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast, get_args

from a2r.answers.errors import UnknownKindError

Kind = Literal["auto", "math", "choice", "text", "json", "code"]
ExtractionMethod = Literal[
    "boxed", "phrase", "hashes", "last_line", "letter", "option", "json", "code", "last_number"
]


def validate_kind(kind: object) -> Kind:
    """The kind itself.

    Raises:
        UnknownKindError: it is not one.
    """
    for one in get_args(Kind):
        if kind == one:
            return cast("Kind", one)
    raise UnknownKindError(f"unknown kind {kind!r}: one of {', '.join(get_args(Kind))}")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A final answer: its text, its kind, and how it was found.

    `how`: `boxed`; `phrase` ("the answer is …"); `hashes` ("#### …"); `last_line`, a last line
    that holds nothing else; `letter`, a choice on a line of its own; `option`, the content of an
    option in words; `json`; `code`; `last_number`, a guess.
    """

    text: str
    kind: Kind
    extraction_method: ExtractionMethod
