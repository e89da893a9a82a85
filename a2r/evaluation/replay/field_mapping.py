"""Names of the fields in a recording."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from a2r._internal.suggestions import suggestion
from a2r.errors import A2RError

QUESTION_FIELDS = ("problem", "gold", "kind", "choices", "samples")
SAMPLE_FIELDS = ("text", "answer", "tokens", "finish_reason")
DEFAULT_NAMES: Mapping[str, tuple[str, ...]] = {
    "choices": ("meta.choices", "choices"),
    "answer": ("answer", "source_answer"),
    "finish_reason": ("finish_reason", "finish"),
}
MISSING = object()


@dataclass(frozen=True, kw_only=True)
class FieldMapping:
    """The names of the fields in a recording; dots in a name select nested objects.

    `mapped` overrides default names by field. The fields `text`, `answer`, `tokens` and
    `finish_reason` are read from a sample, the others from the question.
    """

    mapped: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, assignments: Iterable[str]) -> FieldMapping:
        """Parse `FIELD=NAME` assignments.

        Raises:
            RecordingError: an assignment has no `=` or no name, or the field is unknown.
        """
        fields = [*QUESTION_FIELDS, *SAMPLE_FIELDS]
        mapped: dict[str, str] = {}
        for assignment in assignments:
            field_name, _, name = (part.strip() for part in assignment.partition("="))
            if not name:
                raise RecordingError(
                    f"--map {assignment!r}: expected FIELD=NAME, as in gold=answer"
                )
            if field_name not in fields:
                hint = suggestion(field_name, fields) or f"; use one of {', '.join(fields)}"
                raise RecordingError(f"--map {assignment!r}: unknown field {field_name!r}{hint}")
            mapped[field_name] = name
        return cls(mapped=mapped)

    def names(self, field_name: str) -> tuple[str, ...]:
        """Return the names of a field, in order of precedence."""
        if field_name in self.mapped:
            return (self.mapped[field_name],)
        return DEFAULT_NAMES.get(field_name, (field_name,))

    def value(self, record: Mapping[str, Any], field_name: str) -> Any:
        """Return the value of a field, or `None` if it is missing or null."""
        values = (_lookup(record, name) for name in self.names(field_name))
        return next((value for value in values if value not in (None, MISSING)), None)

    def contains(self, record: Mapping[str, Any], field_name: str) -> bool:
        """Return whether a field is present, even if it is null."""
        return any(_lookup(record, name) is not MISSING for name in self.names(field_name))


def _lookup(record: Mapping[str, Any], name: str) -> Any:
    """Return the value of a name, or `MISSING`."""
    if name in record:
        return record[name]
    value: Any = record
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return MISSING
        value = value[part]
    return value


class RecordingError(A2RError):
    """A file, line or field of a recording is invalid."""

    exit_code = 2
