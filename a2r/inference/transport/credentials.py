"""The credentials of a role: an API key, or the user and password of the URL."""

from __future__ import annotations

import os
from base64 import b64encode
from urllib.parse import parse_qsl, unquote, urlsplit

from a2r._internal.api_key_env import read_api_key
from a2r._internal.secret_redaction import hide_values, redact_text, secret_values
from a2r._internal.urls import url_credentials
from a2r.config import RoleConfig

NO_KEY = "EMPTY"


def api_key(role: RoleConfig) -> str:
    """Return the role's API key; `EMPTY` if it has no `api_key_env`.

    Raises:
        ConfigError: the variable in `api_key_env` is not set, or its value is not a valid key.
    """
    return NO_KEY if role.api_key_env is None else read_api_key(role.api_key_env)


def authorization(role: RoleConfig, url: str) -> str:
    """Return the `Authorization` header of a role's requests: its key, else the URL's user.

    Raises:
        ConfigError: the variable in `api_key_env` is not set, or its value is not a valid key.
    """
    basic = _basic(url)
    if role.api_key_env is None and basic is not None:
        return f"Basic {basic}"
    return f"Bearer {api_key(role)}"


def redact_key(message: str, role: RoleConfig, url: str) -> str:
    """Remove the role's key and the URL's password, which some servers repeat, from a message."""
    key = os.environ.get(role.api_key_env, "").strip() if role.api_key_env else ""
    secrets = [secret for secret in (key, *_url_secrets(url)) if secret]
    for secret in secrets:
        message = message.replace(secret, "[key]")
    return hide_values(message, secrets, "[key]")


def redact_request(text: str, role: RoleConfig, url: str) -> str:
    """Hide what an error repeats of the secrets of a request: its headers, URL and `extra_body`."""
    query = [{name: value} for name, value in parse_qsl(urlsplit(url).query)]
    text = redact_key(text, role, url)
    text = hide_values(text, secret_values([role.sampling.extra_body, query]))
    return redact_text(text)


def _basic(url: str) -> str | None:
    """Return the user and password of a URL, encoded for HTTP basic authentication."""
    credentials = url_credentials(url)
    return None if credentials is None else b64encode(":".join(credentials).encode()).decode()


def _url_secrets(url: str) -> tuple[str, ...]:
    parts = urlsplit(url)
    # A token may be the user, without a password.
    secret = parts.password or parts.username or ""
    return (_basic(url) or "", secret, unquote(secret))
