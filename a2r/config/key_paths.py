"""Every dotted key that a config knows, read off the schema."""

from __future__ import annotations

import types
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from a2r.config.schema import Config

KeyKind = Literal["section", "value"]


@cache
def known_keys() -> Mapping[str, KeyKind]:
    """The dotted keys, sections and values, in the order of the schema."""
    return types.MappingProxyType(_keys_of(Config, ""))


def _keys_of(model: type[BaseModel], prefix: str) -> dict[str, KeyKind]:
    keys: dict[str, KeyKind] = {}
    for name, field in model.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        section = _section_of(field.annotation)
        keys[path] = "section" if section else "value"
        if section:
            keys.update(_keys_of(section, f"{path}."))
    return keys


def _section_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, types.UnionType, Annotated):
        for argument in get_args(annotation):
            if section := _section_of(argument):
                return section
    return None
