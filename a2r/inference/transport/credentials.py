"""What a role shows an endpoint: a key, or the URL's user and password, never in a message."""

from __future__ import annotations

import os
from base64 import b64encode
from urllib.parse import unquote, urlsplit

from a2r._internal.environment import read_api_key
from a2r._internal.urls import url_credentials
from a2r.config import RoleConfig

NO_KEY = "EMPTY"


def api_key(role: RoleConfig) -> str:
    """The role's key; `EMPTY` where it names no variable.

    Raises:
        ConfigError: the variable that `api_key_env` names is not set, or holds no key.
    """
    return NO_KEY if role.api_key_env is None else read_api_key(role.api_key_env)


def authorization(role: RoleConfig, url: str) -> str:
    """The `Authorization` of a role's requests to an endpoint: its key, else the URL's user.

    Raises:
        ConfigError: the variable that `api_key_env` names is not set, or holds no key.
    """
    basic = _basic(url)
    if role.api_key_env is None and basic is not None:
        return f"Basic {basic}"
    return f"Bearer {api_key(role)}"


def redact_key(message: str, role: RoleConfig, url: str) -> str:
    """A message without the role's key and the URL's password, which some servers repeat."""
    key = os.environ.get(role.api_key_env, "").strip() if role.api_key_env else ""
    for secret in filter(None, (key, *_url_secrets(url))):
        message = message.replace(secret, "[key]")
    return message


def _basic(url: str) -> str | None:
    """The user and the password of a URL as HTTP's basic scheme has them."""
    credentials = url_credentials(url)
    return None if credentials is None else b64encode(":".join(credentials).encode()).decode()


def _url_secrets(url: str) -> tuple[str, ...]:
    parts = urlsplit(url)
    # A token may stand in the user's place, with no password.
    written = parts.password or parts.username or ""
    return (_basic(url) or "", written, unquote(written))
