"""URLs that may carry a user and a password: those apart, and what is left to ask or to show."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit


def url_credentials(url: str) -> tuple[str, str] | None:
    """The user and the password that a URL carries, decoded; `None` where it carries neither."""
    parts = urlsplit(url)
    if not (parts.username or parts.password):
        return None
    return unquote(parts.username or ""), unquote(parts.password or "")


def strip_credentials(url: str) -> str:
    """The URL without its user and password, as a request has it: they go into a header."""
    if "@" not in url:
        return url
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def redact_url(url: str) -> str:
    """The URL as it may be shown: without its user, password, query and fragment."""
    parts = urlsplit(strip_credentials(url))
    return parts._replace(query="", fragment="").geturl() if parts.netloc else url
