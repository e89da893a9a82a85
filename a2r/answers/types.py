"""The types of an answer: its kind, how it was extracted, and the answer itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast, get_args

from a2r.answers.errors import UnknownKindError

Kind = Literal["auto", "math", "choice", "text", "json", "code"]
ExtractionMethod = Literal[
    "boxed", "phrase", "hashes", "last_line", "letter", "option", "json", "code", "last_number"
]


def validate_kind(kind: object) -> Kind:
    """Return the value as a `Kind`.

    Raises:
        UnknownKindError: it is not one of the kinds.
    """
    kinds = get_args(Kind)
    if kind not in kinds:
        raise UnknownKindError(f"unknown kind {kind!r}: use one of {', '.join(kinds)}")
    return cast("Kind", kind)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A final answer: its text, its kind, and the method that extracted it.

    Methods: `boxed`; `phrase` ("the answer is …"); `hashes` ("#### …"); `last_line`, a last line
    that is an answer or a conclusion; `letter`, a choice alone on a line; `option`, the content of
    an option in words; `json`; `code`; `last_number`, a guess.
    """

    text: str
    kind: Kind
    extraction_method: ExtractionMethod
