"""API keys in environment variables: the only place a2r reads them from."""

from __future__ import annotations

import os
import re

from a2r._internal.secret_redaction import REDACTED, redact_text
from a2r.errors import ConfigError

VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_api_key(variable: str) -> str:
    """Read the API key in a variable that `api_key_env` names.

    Raises:
        ConfigError: the variable is not set, or its value cannot be sent in a header.
    """
    key = os.environ.get(variable, "").strip()
    name = redact_variable_name(variable)
    if not key:
        raise ConfigError(f"api_key_env names {name}, which is not set in the environment")
    if not key.isascii() or not key.isprintable():
        raise ConfigError(f"the API key in {name} has characters that no HTTP header can carry")
    return key


def redact_variable_name(variable: str) -> str:
    """The value of `api_key_env` for display; a key written there by mistake is hidden."""
    if VARIABLE_NAME.fullmatch(variable) and redact_text(variable) == variable:
        return variable
    return REDACTED
