"""Where a recording keeps what a replay needs, and reading a value from there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from a2r._internal.suggestions import suggestion
from a2r.errors import A2RError

QUESTION_FIELDS = ("problem", "gold", "kind", "choices", "samples")
SAMPLE_FIELDS = ("text", "answer", "tokens", "finish_reason")
NAMES: Mapping[str, tuple[str, ...]] = {
    "choices": ("meta.choices", "choices"),
    "answer": ("answer", "source_answer"),
    "finish_reason": ("finish_reason", "finish"),
}
MISSING = object()


@dataclass(frozen=True, kw_only=True)
class FieldMapping:
    """The names of the fields; a name with dots leads into nested objects.

    `mapped` has the names that are not the usual ones, by field. Those of a sample (`text`,
    `answer`, `tokens`, `finish_reason`) are looked for in the sample, the others in the question.
    """

    mapped: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, assignments: Iterable[str]) -> FieldMapping:
        """The fields of `FIELD=NAME` assignments.

        Raises:
            RecordingError: an assignment without `=`, or of a field that is none.
        """
        known = [*QUESTION_FIELDS, *SAMPLE_FIELDS]
        mapped: dict[str, str] = {}
        for assignment in assignments:
            ours, _, name = (part.strip() for part in assignment.partition("="))
            if not name:
                raise RecordingError(f"--map {assignment!r}: write FIELD=NAME, as in gold=answer")
            if ours not in known:
                told = suggestion(ours, known) or f" (they are {', '.join(known)})"
                raise RecordingError(f"--map {assignment!r}: no field {ours!r}{told}")
            mapped[ours] = name
        return cls(mapped=mapped)

    def names(self, ours: str) -> tuple[str, ...]:
        """The names under which a field is looked for, in order."""
        return (self.mapped[ours],) if ours in self.mapped else NAMES.get(ours, (ours,))

    def value(self, record: Mapping[str, Any], ours: str) -> Any:
        """The value of a field; `None` where it is missing or null."""
        found = (_at(record, name) for name in self.names(ours))
        return next((value for value in found if value not in (None, MISSING)), None)

    def contains(self, record: Mapping[str, Any], ours: str) -> bool:
        """Whether a field is there, be it null."""
        return any(_at(record, name) is not MISSING for name in self.names(ours))


def _at(record: Mapping[str, Any], name: str) -> Any:
    """The value at a name, or `MISSING`."""
    if name in record:
        return record[name]
    value: Any = record
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return MISSING
        value = value[part]
    return value


class RecordingError(A2RError):
    """A file, a line or a field of a recording that cannot be used."""

    exit_code = 2
