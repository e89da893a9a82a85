"""Checks of the types of arguments, for errors that say what fits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from a2r.errors import A2RError, ConfigError


def check_type(
    value: object,
    types: type | tuple[type, ...],
    expected: str,
    error: Callable[[str], A2RError] = ConfigError,
) -> None:
    """Check the type of an argument.

    Args:
        value: the argument.
        types: the types that fit.
        expected: the start of the message: the argument and what fits.
        error: makes the exception of a message.

    Raises:
        A2RError: `value` has another type.
    """
    if not isinstance(value, types):
        raise error(f"{expected}, not {type(value).__name__}")


def check_overrides(overrides: object) -> Mapping[str, Any]:
    """The overrides, empty for `None`.

    Raises:
        ConfigError: they are not a mapping.
    """
    if overrides is None:
        return {}
    if not isinstance(overrides, Mapping):
        raise ConfigError(
            "overrides are a mapping of dotted keys to values, such as {'explorer.samples': 8}, "
            f"not {type(overrides).__name__}"
        )
    return overrides
