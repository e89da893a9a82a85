"""Find, read and validate a config, and keep where each value came from."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from a2r._internal.redaction import redact
from a2r._internal.suggestions import suggestion
from a2r._internal.urls import redact_url
from a2r.config.layers import (
    Layer,
    assignments_layer,
    environment_layer,
    file_layer,
    merge,
    overrides_layer,
    unflatten,
)
from a2r.config.schema import Config, flatten
from a2r.config.yaml_loader import parse_yaml
from a2r.errors import ConfigError

SUFFIXES = (".yaml", ".yml")
DEFAULT = "default"
MAX_VALUE_CHARACTERS = 80
# Of a URL in a value that is none, or is no URL where one is needed.
CREDENTIALS = re.compile(r"//[^/\s]*@")


@dataclass(frozen=True, kw_only=True)
class LoadedConfig:
    """A valid config, its name, the folder its relative paths start from, and each origin."""

    name: str
    config: Config
    folder: Path
    origins: Mapping[str, str]

    def values(self) -> dict[str, Any]:
        """The effective values by dotted key."""
        return flatten(self.config.model_dump(mode="json", by_alias=True))

    def redacted_values(self) -> dict[str, Any]:
        """The effective values by dotted key, as they may be shown: without secrets."""
        return {key: _redacted(key, value) for key, value in self.values().items()}

    def override(self, overrides: Mapping[str, Any]) -> LoadedConfig:
        """This config with explicit values over it.

        Raises:
            ConfigError: an unknown key or a value that does not fit.
        """
        own = Layer(
            values=flatten(self.config.model_dump(by_alias=True, exclude_unset=True)),
            origins=self.origins,
        )
        merged = merge([own, overrides_layer(overrides)])
        return _validate(self.name, self.folder, merged, f"config {self.name}")


Source = str | Path | Config | Mapping[str, Any] | LoadedConfig


def config_names() -> list[str]:
    """The names of the configs that are shipped, sorted."""
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in files("a2r").joinpath("configs").iterdir()
        if entry.name.endswith(".yaml")
    )


def default_config_name() -> str:
    """The config that is used where none is named: `A2R_CONFIG`, or `local`."""
    return os.environ.get("A2R_CONFIG") or "local"


def load_config(
    source: Source,
    *,
    overrides: Mapping[str, Any] | None = None,
    assignments: Sequence[str] = (),
) -> LoadedConfig:
    """Load a config by name, path, mapping or object, with the stated precedence.

    Args:
        source: a shipped config's name, a path to a YAML file, a parsed mapping, or a config.
        overrides: explicit values, by dotted key or nested; they win over everything.
        assignments: `key=value` strings as `--set` takes them.

    Raises:
        ConfigError: the config is unknown, unreadable or invalid; one line says where and how.
    """
    explicit = [assignments_layer(assignments), overrides_layer(overrides or {})]
    if isinstance(source, LoadedConfig):
        return source.override(overrides) if overrides else source
    if isinstance(source, Config):
        values = flatten(source.model_dump(by_alias=True, exclude_unset=True))
        base = Layer(values=values, origins=dict.fromkeys(values, "argument"))
        return _validate("custom", Path.cwd(), merge([base, *explicit]), "config")
    if isinstance(source, Mapping):
        name, folder, origin, data = "custom", Path.cwd(), "config", source
    else:
        name, folder, origin, data = _read(source)
    layers = [file_layer(data, origin), environment_layer(), *explicit]
    return _validate(name, folder, merge(layers), origin)


def _read(source: str | Path) -> tuple[str, Path, str, Mapping[str, Any]]:
    """The name, the folder, the origin as messages call it, and the data of a config."""
    text = str(source)
    if isinstance(source, Path) or text.endswith(SUFFIXES) or "/" in text or os.sep in text:
        try:
            path = Path(source).expanduser()
            folder = path.resolve().parent
        except (OSError, RuntimeError) as error:
            raise ConfigError(f"{source}: is no path that can be read: {error}") from error
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
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text") from error


def _parse(text: str, origin: str) -> Mapping[str, Any]:
    data = parse_yaml(text, origin)
    if not isinstance(data, Mapping):
        raise ConfigError(f"{origin}: holds no mapping of keys; see 'a2r config show local'")
    return data


def _validate(name: str, folder: Path, layer: Layer, origin: str) -> LoadedConfig:
    try:
        config = Config.model_validate(unflatten(layer.values))
    except ValidationError as error:
        raise ConfigError(_one_line(error, layer, origin)) from error
    return LoadedConfig(name=name, config=config, folder=folder, origins=layer.origins)


def _one_line(error: ValidationError, layer: Layer, origin: str) -> str:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    origin = next(
        (o for k, o in layer.origins.items() if key == k or key.startswith(f"{k}.")), origin
    )
    if first["type"] == "missing":
        return f"{origin}: key {key!r} is missing"
    message = first["msg"].removeprefix("Value error, ")
    given = (
        ""
        if isinstance(first["input"], Mapping)
        else f", not {_short(first['input'], str(first['loc'][-1]))}"
    )
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    # What several sections say together has no key of its own: its message names them.
    place = f"{origin}: {key}" if key else origin
    return f"{place}: {message[:1].lower()}{message[1:]}{given}{more}"


def _redacted(key: str, value: Any) -> Any:
    name = key.rpartition(".")[2]
    if name == "endpoints":
        return [redact_url(endpoint) for endpoint in value]
    # `api_key_env` names the variable of a secret, and is none itself.
    return value if name == "api_key_env" else redact(value, name)


def _short(value: object, name: str) -> str:
    text = CREDENTIALS.sub("//", repr(redact(value, name)))
    return text if len(text) <= MAX_VALUE_CHARACTERS else f"{text[:MAX_VALUE_CHARACTERS]}…"
