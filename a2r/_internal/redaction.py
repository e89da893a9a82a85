"""Hide secrets in whatever shows a config: the CLI, MCP resources, error messages, logs."""

from __future__ import annotations

import re
from typing import Any

REDACTED = "[hidden]"
SECRET = re.compile(
    r"(?:token|key|secret|password|passwd|passphrase|credential|authorization)s?(?:[_-]|$)",
    re.IGNORECASE,
)
TOKEN_COUNT = re.compile(r"tokens?(?:[_-]|$)", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Whether a variable, flag or field of this name usually holds a secret."""
    return SECRET.search(name) is not None


def redact(value: Any, name: str = "") -> Any:
    """A JSON value without the secrets in it, at any depth.

    Args:
        value: what is shown; mappings and lists are copied.
        name: what the value itself is called, such as a variable or a flag.
    """
    match value:
        case dict():
            return {key: redact(inner, str(key)) for key, inner in value.items()}
        case list() | tuple():
            return [redact(inner, name) for inner in value]
        case str() if value and is_secret(name):
            return REDACTED
        # Numbers of tokens are limits, such as max_tokens; other secrets may be all digits.
        case int() | float() if not isinstance(value, bool):
            return REDACTED if is_secret(name) and not TOKEN_COUNT.search(name) else value
    return value
