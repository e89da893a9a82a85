"""Find, read and validate a config, and record the origin of each value."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from a2r._internal.api_key_env import redact_variable_name
from a2r._internal.argument_types import check_overrides, check_type
from a2r._internal.secret_redaction import redact, redact_text
from a2r._internal.suggestions import suggestion
from a2r._internal.urls import redact_url
from a2r.config.precedence import (
    Layer,
    file_layer,
    merge_by_precedence,
    unflatten,
)
from a2r.config.schema import Config, flatten
from a2r.config.vllm import FREE_FORM
from a2r.config.yaml_loader import parse_yaml
from a2r.errors import ConfigError

SUFFIXES = (".yaml", ".yml")
DEFAULT = "default"
MAX_VALUE_CHARACTERS = 80


@dataclass(frozen=True, kw_only=True)
class LoadedConfig:
    """A valid config.

    `folder` is the base of relative paths in the config, `origins` the origin of each value by
    dotted key: a file, a variable, `--set` or `argument`. Keys with a default have none.
    """

    name: str
    config: Config
    folder: Path
    origins: Mapping[str, str]

    def values(self) -> dict[str, Any]:
        """The effective values by dotted key."""
        return flatten(self.config.model_dump(mode="json", by_alias=True))

    def redacted_values(self) -> dict[str, Any]:
        """The effective values by dotted key for display, without secrets."""
        return {key: _redact_value(key, value) for key, value in self.values().items()}

    def override(
        self, overrides: Mapping[str, Any], assignments: Sequence[str] = ()
    ) -> LoadedConfig:
        """Return a copy of this config with explicit values and `key=value` strings.

        Raises:
            ConfigError: a key is unknown, or a value is invalid.
        """
        base = Layer(
            values=flatten(self.config.model_dump(by_alias=True, exclude_unset=True)),
            origins=self.origins,
        )
        merged = merge_by_precedence(base, assignments, overrides)
        return _validate(self.name, self.folder, merged, f"config {self.name}")


ConfigSource = str | Path | Config | Mapping[str, Any] | LoadedConfig


def config_names() -> list[str]:
    """The sorted names of the shipped configs."""
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in files("a2r").joinpath("configs").iterdir()
        if entry.name.endswith(".yaml")
    )


def default_config_name() -> str:
    """The name or path of the default config: `A2R_CONFIG`, or `local`."""
    return os.environ.get("A2R_CONFIG") or "local"


def load_config(
    source: ConfigSource,
    *,
    overrides: Mapping[str, Any] | None = None,
    assignments: Sequence[str] = (),
) -> LoadedConfig:
    """Load a config by name, path, mapping or object.

    Precedence, highest first: `overrides`, `assignments`, `A2R_…` environment variables, the
    source, the defaults. The environment does not apply to a `Config` or `LoadedConfig`.

    Args:
        source: the name of a shipped config, a path to a YAML file, a mapping, or a config.
        overrides: explicit values, by dotted key or nested.
        assignments: `key=value` strings, as in `--set`.

    Raises:
        ConfigError: the config is unknown, unreadable or invalid; the message is one line with the
            origin and the key.
    """
    values = check_overrides(overrides)
    if isinstance(assignments, str):
        raise ConfigError("assignments are a list of key=value strings, not one string")
    check_type(assignments, Iterable, "assignments are a list of key=value strings")
    if isinstance(source, LoadedConfig):
        return source.override(values, assignments) if values or assignments else source
    check_type(
        source,
        (Config, Mapping, str, Path),
        "config is a config's name, a path to a YAML file, a mapping, or a config object",
    )
    if isinstance(source, Config):
        given = flatten(source.model_dump(by_alias=True, exclude_unset=True))
        base = Layer(values=given, origins=dict.fromkeys(given, "argument"))
        layer = merge_by_precedence(base, assignments, values)
        return _validate("custom", Path.cwd(), layer, "config")
    if isinstance(source, Mapping):
        name, folder, origin, data = "custom", Path.cwd(), "config", source
    else:
        name, folder, origin, data = _read(source)
    layer = merge_by_precedence(file_layer(data, origin), assignments, values, environment=True)
    return _validate(name, folder, layer, origin)


def _read(source: str | Path) -> tuple[str, Path, str, Mapping[str, Any]]:
    """Read a config: its name, base folder, origin for messages, and data."""
    text = str(source)
    if isinstance(source, Path) or text.endswith(SUFFIXES) or "/" in text or os.sep in text:
        try:
            path = Path(source).expanduser()
            folder = path.resolve().parent
        except (OSError, RuntimeError) as error:
            raise ConfigError(f"{source}: cannot read path: {error}") from error
        return path.stem, folder, str(path), _parse(_read_text(path), str(path))
    resource = files("a2r").joinpath("configs", f"{text}.yaml")
    if text not in config_names():
        raise ConfigError(f"unknown config {text!r}{suggestion(text, config_names())}")
    origin = f"configs/{text}.yaml"
    return text, Path.cwd(), origin, _parse(resource.read_text("utf-8"), origin)


def _read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot read file: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: file is not UTF-8 text") from error


def _parse(text: str, origin: str) -> Mapping[str, Any]:
    data = parse_yaml(text, origin)
    if not isinstance(data, Mapping):
        raise ConfigError(f"{origin}: expected a YAML mapping; see 'a2r config show local'")
    return data


def _validate(name: str, folder: Path, layer: Layer, origin: str) -> LoadedConfig:
    try:
        config = Config.model_validate(unflatten(layer.values))
    except ValidationError as error:
        raise ConfigError(_validation_message(error, layer, origin)) from error
    return LoadedConfig(name=name, config=config, folder=folder, origins=layer.origins)


def _validation_message(error: ValidationError, layer: Layer, origin: str) -> str:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    origin = next(
        (o for k, o in layer.origins.items() if key == k or key.startswith(f"{k}.")), origin
    )
    if first["type"] == "missing":
        return f"{origin}: key {key!r} is missing"
    message = first["msg"].removeprefix("Value error, ")
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    # Errors of several sections together have no key: the message names the keys.
    location = f"{origin}: {key}" if key else origin
    quoted = _quote(first["input"], [str(part) for part in first["loc"]])
    return f"{location}: {message[:1].lower()}{message[1:]}{quoted}{more}"


def _redact_value(key: str, value: Any) -> Any:
    name = key.rpartition(".")[2]
    if name == "endpoints":
        return [redact_url(endpoint) for endpoint in value]
    if name == "api_key_env":
        return value and redact_variable_name(value)
    return redact(value, name)


def _quote(value: Any, location: list[str]) -> str:
    """The invalid value for the end of a message; empty if it may hold a secret."""
    text = redact_text(repr(redact(value, location[-1] if location else "")))
    is_free_form = not FREE_FORM.isdisjoint(location)
    is_url = "endpoints" in location and "@" in text
    if isinstance(value, Mapping) or is_free_form or is_url:
        return ""
    is_long = len(text) > MAX_VALUE_CHARACTERS
    return f", not {text[:MAX_VALUE_CHARACTERS]}{'…' if is_long else ''}"
