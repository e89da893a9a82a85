"""Names of the fields in a recording."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from a2r._internal import field_mapping
from a2r.errors import A2RError

QUESTION_FIELDS = ("problem", "gold", "kind", "choices", "samples")
SAMPLE_FIELDS = ("text", "answer", "tokens", "finish_reason")


class RecordingError(A2RError):
    """A file, line or field of a recording is invalid."""

    exit_code = 2


@dataclass(frozen=True, kw_only=True)
class FieldMapping(field_mapping.FieldMapping):
    """The names of the fields in a recording; dots in a name select nested objects.

    `mapped` overrides default names by field. The fields `text`, `answer`, `tokens` and
    `finish_reason` are read from a sample, the others from the question.
    """

    fields: ClassVar[tuple[str, ...]] = (*QUESTION_FIELDS, *SAMPLE_FIELDS)
    default_names: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "choices": ("meta.choices", "choices"),
        "answer": ("answer", "source_answer"),
        "finish_reason": ("finish_reason", "finish"),
    }
    example: ClassVar[str] = "gold=answer"
    error: ClassVar[Callable[[str], A2RError]] = RecordingError
