"""Importing what a config names: `module:name`, or `path/to/file.py:name`."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from a2r.errors import ConfigError


def import_from_string(reference: str, folder: Path, *, what: str) -> Any:
    """The object that a reference names; `what` is the config's key, for messages.

    Raises:
        ConfigError: there is no such file, module or name, or it cannot be imported.
    """
    place, _, name = reference.rpartition(":")
    module = load_module(place, folder, what=f"{what} {reference!r}")
    if not hasattr(module, name):
        raise ConfigError(f"{what} {reference!r}: there is no {name} in {place}")
    return getattr(module, name)


def load_module(place: str, folder: Path, *, what: str) -> ModuleType:
    """The module at a path that ends in .py, relative to `folder`, or of a dotted name.

    Raises:
        ConfigError: it is not there, or cannot be imported.
    """
    if place.endswith(".py"):
        return _load_file(folder / Path(place).expanduser(), what)
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError as error:
        raise ConfigError(f"{what}: there is no module {place}") from error
    except Exception as error:
        raise import_error(what, error) from error


def find_module(name: str) -> bool:
    """Whether there is a module of a dotted name; its parents are imported to find out."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def import_error(what: str, error: Exception) -> ConfigError:
    """The error of something that a config names and that cannot be used."""
    return ConfigError(f"{what} cannot be built: {type(error).__name__}: {error}")


def _load_file(path: Path, what: str) -> ModuleType:
    if not path.is_file():
        raise ConfigError(f"{what}: there is no file {path}")
    name = f"a2r_own_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{what}: {path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    # Annotations of a state that the file defines are looked up in sys.modules.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise import_error(what, error) from error
    return module
