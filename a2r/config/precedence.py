"""The layers of a config and their precedence: argument > environment > file > default."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from a2r._internal.argument_types import check_overrides, check_type
from a2r._internal.secret_redaction import redact_text
from a2r._internal.suggestions import suggestion
from a2r.config.known_keys import RENAMED_KEYS, known_keys, unknown_key_error
from a2r.config.vllm import FREE_FORM
from a2r.config.yaml_loader import parse_yaml
from a2r.errors import ConfigError

ENV_PREFIX = "A2R_"
ENV_SPECIAL = frozenset({"A2R_CACHE", "A2R_CONFIG", "A2R_RUNS", "A2R_TRACEBACK"})
MIN_VOTES = "gate.min_votes"
EXCLUSIVE = {"samples": "waves", "waves": "samples", "port": "ports", "ports": "port"}


class MergePatch(dict[str, Any]):
    """A part of a free-form mapping, merged into the value of a lower layer."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Values by dotted key, and the origin of each, such as a file or a variable."""

    values: Mapping[str, Any]
    origins: Mapping[str, str]


def file_layer(data: Mapping[str, Any], origin: str) -> Layer:
    """The layer of a parsed config file.

    Raises:
        ConfigError: a key is unknown.
    """
    values = _flatten(data, origin)
    return Layer(values=values, origins=dict.fromkeys(values, origin))


def environment_layer(environ: Mapping[str, str] = os.environ) -> Layer:
    """The layer of the `A2R_SECTION__KEY` variables, whose values are YAML.

    Raises:
        ConfigError: a variable with the prefix `A2R_` names no key, or its value is not YAML.
    """
    names = {_variable(key): key for key in known_keys()}
    values, origins = {}, {}
    for variable in sorted(environ):
        if not variable.startswith(ENV_PREFIX) or variable in ENV_SPECIAL:
            continue
        key = names.get(variable)
        if key is None:
            raise ConfigError(
                f"environment: unknown variable {variable!r}{_suggest_variable(variable, names)}"
            )
        value = parse_yaml(environ[variable], f"environment: {variable}")
        expanded = _expand_min_votes(value) if key == MIN_VOTES else {key: value}
        values.update(expanded)
        origins.update(dict.fromkeys(expanded, variable))
    return Layer(values=values, origins=origins)


def assignments_layer(assignments: Iterable[str]) -> Layer:
    """The layer of `--set key=value` arguments, whose values are YAML.

    Raises:
        ConfigError: an argument has no `=`, a key is unknown, or a value is not YAML.
    """
    values: dict[str, Any] = {}
    for assignment in assignments:
        check_type(assignment, str, "an assignment is a key=value string")
        key, equals, value = assignment.partition("=")
        if not equals:
            raise ConfigError(
                f"--set {redact_text(assignment)!r}: expected key=value, such as explorer.samples=8"
            )
        values[key.strip()] = parse_yaml(value, f"--set {key}")
    return overrides_layer(values, "--set")


def overrides_layer(overrides: Mapping[str, Any], origin: str = "argument") -> Layer:
    """The layer of explicit values, by dotted key or nested.

    Raises:
        ConfigError: a key is unknown.
    """
    values: dict[str, Any] = {}
    for key, value in check_overrides(overrides).items():
        nested: Any = value
        for part in reversed(str(key).split(".")):
            nested = {part: nested}
        for path, new in _flatten(nested, origin).items():
            is_patch = not FREE_FORM.isdisjoint(str(key).split(".")[:-1])
            values[path] = MergePatch(_merge_values(values.get(path), new)) if is_patch else new
    return Layer(values=values, origins=dict.fromkeys(values, origin))


def merge_by_precedence(
    base: Layer,
    assignments: Iterable[str],
    overrides: Mapping[str, Any],
    *,
    environment: bool = False,
) -> Layer:
    """Merge a file, the environment, `--set` and overrides; a later one has priority.

    Raises:
        ConfigError: a key is unknown, or a value is not YAML.
    """
    layers = [base, *([environment_layer()] if environment else [])]
    return merge([*layers, assignments_layer(assignments), overrides_layer(overrides)])


def merge(layers: Iterable[Layer]) -> Layer:
    """Merge layers; later layers have priority.

    `samples` of a later layer replaces `waves` of an earlier one, and vice versa. The same holds
    for `port` and `ports` of a `vllm` section.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer in layers:
        for key in layer.values:
            section, _, name = key.rpartition(".")
            other = f"{section}.{EXCLUSIVE[name]}" if name in EXCLUSIVE else None
            if other and layer.values[key] is not None and other not in layer.values:
                values.pop(other, None)
                origins.pop(other, None)
            for nested_key in [k for k in values if k.startswith(f"{key}.")]:
                del values[nested_key], origins[nested_key]
            _drop_null_parents(key, values, origins)
            value = layer.values[key]
            values[key] = (
                _merge_values(values.get(key), value) if isinstance(value, MergePatch) else value
            )
        origins.update(layer.origins)
    return Layer(values=values, origins=origins)


def unflatten(values: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a flat mapping with dotted keys to a nested one."""
    nested: dict[str, Any] = {}
    for key, value in values.items():
        *sections, name = key.split(".")
        target = nested
        for section in sections:
            target = target.setdefault(section, {})
        target[name] = value
    return nested


def _drop_null_parents(key: str, values: dict[str, Any], origins: dict[str, str]) -> None:
    while "." in key:
        key = key.rpartition(".")[0]
        values.pop(key, None)
        origins.pop(key, None)


def _flatten(data: Mapping[Any, Any], origin: str, prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in data.items():
        path = f"{prefix}{key}"
        kind = known_keys().get(path)
        if kind is None:
            raise unknown_key_error(path, origin)
        if path == MIN_VOTES and not isinstance(value, Mapping):
            flat.update(_expand_min_votes(value))
            continue
        if kind == "section" and isinstance(value, Mapping):
            flat.update(_flatten(value, origin, f"{path}."))
        else:
            flat[path] = value
    return flat


def _expand_min_votes(value: Any) -> dict[str, Any]:
    """Expand a single `gate.min_votes` to all kinds, so that a later layer can change one kind."""
    if not isinstance(value, int):
        return {MIN_VOTES: value}
    return {key: value for key in known_keys() if key.startswith(f"{MIN_VOTES}.")}


def _suggest_variable(variable: str, names: Mapping[str, str]) -> str:
    for former, name in RENAMED_KEYS.items():
        if variable == _variable(former) or variable.startswith(f"{_variable(former)}__"):
            return f"; did you mean {variable.replace(_variable(former), _variable(name))!r}?"
    return suggestion(variable, [*names, *ENV_SPECIAL])


def _variable(key: str) -> str:
    return ENV_PREFIX + key.upper().replace(".", "__")


def _merge_values(below: Any, above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below) if isinstance(below, Mapping) else {}
    for key, value in above.items():
        both_nested = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge_values(merged[key], value) if both_nested else value
    return merged
