"""The dotted keys of a config, derived from its schema."""

from __future__ import annotations

import types
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from a2r._internal.suggestions import suggestion
from a2r.config.schema import Config
from a2r.errors import ConfigError

KeyKind = Literal["section", "value"]
# Former names of keys, for the suggestion in the error message.
RENAMED_KEYS = {
    "explorer.serve": "explorer.vllm",
    "synthesizer.serve": "synthesizer.vllm",
    "budget.run": "budget.session",
    "deadline.silence": "deadline.idle",
    "gate.agree": "gate.min_votes",
    "gate.join": "gate.merge_waves",
    "references.take": "references.include",
    "references.each": "references.per_cluster",
    "references.pick": "references.choose",
    "references.votes": "references.show_votes",
}


@cache
def known_keys() -> Mapping[str, KeyKind]:
    """All dotted keys, of sections and of values, in the order of the schema."""
    return types.MappingProxyType(_model_keys(Config, ""))


def unknown_key_error(key: str, origin: str) -> ConfigError:
    """The error of an unknown dotted key: it names the new key, or the nearest known one."""
    return ConfigError(f"{origin}: unknown key {key!r}{_suggestion(key)}")


def _suggestion(key: str) -> str:
    for former, name in RENAMED_KEYS.items():
        if key == former or key.startswith(f"{former}."):
            return f"; did you mean {name + key.removeprefix(former)!r}?"
    return suggestion(key, known_keys())


def _model_keys(model: type[BaseModel], prefix: str) -> dict[str, KeyKind]:
    keys: dict[str, KeyKind] = {}
    for name, field in model.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        section = _section_type(field.annotation)
        keys[path] = "section" if section else "value"
        if section:
            keys.update(_model_keys(section, f"{path}."))
    return keys


def _section_type(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, types.UnionType, Annotated):
        for argument in get_args(annotation):
            if section := _section_type(argument):
                return section
    return None
