"""Names of the fields in a record of JSON, CSV or another table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from a2r._internal.suggestions import suggestion
from a2r.errors import A2RError, ConfigError

MISSING = object()


@dataclass(frozen=True, kw_only=True)
class FieldMapping:
    """The names of the fields in a record; dots in a name select nested objects.

    `mapped` overrides the default names by field. A subclass sets its `fields`, the
    `default_names` of those that have others than their own, the `example` of an assignment, and
    the `error` of an invalid one.
    """

    fields: ClassVar[tuple[str, ...]] = ()
    default_names: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    example: ClassVar[str] = ""
    error: ClassVar[Callable[[str], A2RError]] = ConfigError

    mapped: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, assignments: Iterable[str]) -> Self:
        """Parse `FIELD=NAME` assignments.

        Raises:
            A2RError: an assignment has no `=` or no name, or the field is unknown.
        """
        mapped: dict[str, str] = {}
        for assignment in assignments:
            field_name, _, name = (part.strip() for part in assignment.partition("="))
            if not name:
                raise cls.error(f"--map {assignment!r}: expected FIELD=NAME, as in {cls.example}")
            if field_name not in cls.fields:
                hint = suggestion(field_name, cls.fields) or f"; use one of {', '.join(cls.fields)}"
                raise cls.error(f"--map {assignment!r}: unknown field {field_name!r}{hint}")
            mapped[field_name] = name
        return cls(mapped=mapped)

    def names(self, field_name: str) -> tuple[str, ...]:
        """Return the names of a field, in order of precedence."""
        if field_name in self.mapped:
            return (self.mapped[field_name],)
        return self.default_names.get(field_name, (field_name,))

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
