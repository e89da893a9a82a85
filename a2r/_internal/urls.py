"""URLs and hosts: credentials, redaction, and loopback addresses."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from urllib.parse import unquote, urlsplit

# Each call uses the URL of its endpoint several times.
MAX_CACHED_URLS = 256


def url_credentials(url: str) -> tuple[str, str] | None:
    """Return the decoded user and password of a URL; `None` if it has neither."""
    parts = urlsplit(url)
    if not (parts.username or parts.password):
        return None
    return unquote(parts.username or ""), unquote(parts.password or "")


def strip_credentials(url: str) -> str:
    """Return the URL without user and password, which are sent in a header instead."""
    if "@" not in url:
        return url
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def join_url(url: str, path: str) -> str:
    """Return the URL with a path after its own, before its query."""
    if "?" not in url:
        return f"{url}{path}"
    parts = urlsplit(url)
    return parts._replace(path=f"{parts.path}{path}").geturl()


@lru_cache(maxsize=MAX_CACHED_URLS)
def redact_url(url: str) -> str:
    """Return the URL without user, password, query and fragment, safe to display."""
    parts = urlsplit(strip_credentials(url))
    return parts._replace(query="", fragment="").geturl() if parts.netloc else url


def is_loopback_host(host: str) -> bool:
    """Whether a host name or address is a loopback address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@lru_cache(maxsize=MAX_CACHED_URLS)
def is_loopback_url(url: str) -> bool:
    """Whether a URL's host is a loopback address."""
    return is_loopback_host(urlsplit(url).hostname or "")


def bracket_host(host: str) -> str:
    """Return the host for use in a URL: IPv6 addresses in brackets."""
    try:
        return f"[{host}]" if isinstance(ip_address(host), IPv6Address) else host
    except ValueError:
        return host
