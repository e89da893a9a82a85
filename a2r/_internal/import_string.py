"""Importing objects by import string: `module:name` or `path/to/file.py:name`."""

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
    """Import the object of an import string.

    Args:
        reference: the import string.
        folder: the folder that a path is relative to.
        what: the config key, for error messages.

    Raises:
        ConfigError: the file, module or name does not exist, or cannot be imported.
    """
    source, _, name = reference.rpartition(":")
    module = load_module(source, folder, what=f"{what} {reference!r}")
    if not hasattr(module, name):
        raise ConfigError(f"{what} {reference!r}: there is no {name} in {source}")
    return getattr(module, name)


def load_module(source: str, folder: Path, *, what: str) -> ModuleType:
    """Load a module by dotted name, or by a path that ends in .py and is relative to `folder`.

    Raises:
        ConfigError: the module does not exist, or cannot be imported.
    """
    if source.endswith(".py"):
        return _load_file(folder / Path(source).expanduser(), what)
    try:
        return importlib.import_module(source)
    except ModuleNotFoundError as error:
        raise ConfigError(f"{what}: there is no module {source}") from error
    except Exception as error:
        raise import_error(what, error) from error


def find_module(name: str) -> bool:
    """Whether a module with this dotted name exists; its parent packages are imported."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def import_error(what: str, error: Exception) -> ConfigError:
    """The error of a graph or module of a config that fails with an exception."""
    return ConfigError(f"{what} cannot be built: {type(error).__name__}: {error}")


def _load_file(path: Path, what: str) -> ModuleType:
    if not path.is_file():
        raise ConfigError(f"{what}: there is no file {path}")
    name = f"a2r_custom_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{what}: {path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    # LangGraph resolves the annotations of a state of the file through sys.modules.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise import_error(what, error) from error
    return module
