"""The base of the request schemas, and the types of their fields."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from a2r._internal.models import FrozenModel
from a2r.config.field_types import json_serializable


def _to_integer(value: Any) -> Any:
    """Accept 2.0 as an integer, as JSON has only one type of number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


INTEGER = BeforeValidator(_to_integer)
Text = Annotated[str, Field(max_length=4 << 20)]
JsonObject = Annotated[dict[str, Any], AfterValidator(json_serializable)]


class StrictModel(FrozenModel):
    """Base of the schemas: no conversion between types, no unknown fields; null is absent."""

    model_config = ConfigDict(strict=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_null_values(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {name: value for name, value in data.items() if value is not None}
