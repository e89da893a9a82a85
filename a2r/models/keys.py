"""API keys: from the variable that a role names, and never into a message."""

from __future__ import annotations

import os

from a2r.config import RoleConfig
from a2r.errors import ConfigError

NO_KEY = "EMPTY"


def api_key(role: RoleConfig) -> str:
    """The role's key; `EMPTY` where it names no variable.

    Raises:
        ConfigError: the variable that `api_key_env` names is not set, or holds no key.
    """
    if role.api_key_env is None:
        return NO_KEY
    key = os.environ.get(role.api_key_env, "").strip()
    if not key:
        raise ConfigError(
            f"api_key_env names {role.api_key_env}, which is not set in the environment"
        )
    if not key.isascii() or not key.isprintable():
        raise ConfigError(f"the key in {role.api_key_env} holds characters no header can carry")
    return key


def without_key(message: str, role: RoleConfig) -> str:
    """A message without the role's key, which some servers repeat in what they refuse."""
    key = os.environ.get(role.api_key_env, "").strip() if role.api_key_env else ""
    return message.replace(key, "[key]") if key else message
