"""Protection of a server without keys against requests from web pages in a local browser."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from a2r._internal.text import one_line
from a2r._internal.urls import is_loopback_host
from a2r.interfaces.http.origins import is_allowed_origin
from a2r.interfaces.openai_server.api_errors import ApiError

# Reserved by RFC 6761, RFC 6762, and ICANN's resolution of July 2024.
PRIVATE_DOMAINS = frozenset({"localhost", "local", "internal"})
MAX_SHOWN_CHARACTERS = 100
REMEDY = "start the server with --keys, or with --no-auth to serve everyone"


def check_origin(headers: Headers, allowed: Iterable[str]) -> None:
    """Accept only requests from this machine, and from web pages of allowed origins.

    A foreign web page can reach a server on the loopback address through a domain that resolves to
    it (DNS rebinding), or with a simple cross-origin request. `Host` and `Origin` reveal both.

    Raises:
        ApiError: `Host` or `Origin` is neither this machine nor allowed.
    """
    for host in headers.getlist("host"):
        if host and not _is_local(f"//{host}"):
            shown = one_line(host, MAX_SHOWN_CHARACTERS)
            message = f"Host '{shown}' not allowed (loopback only): {REMEDY}."
            raise ApiError(421, message, code="wrong_host")
    for origin in headers.getlist("origin"):
        if is_allowed_origin(origin, allowed):
            continue
        if not (origin.startswith(("http://", "https://")) and _is_local(origin)):
            shown = one_line(origin, MAX_SHOWN_CHARACTERS)
            message = (
                f"Origin '{shown}' not allowed: start the server with --cors-origin ORIGIN to "
                f"allow its web pages, or {REMEDY.removeprefix('start the server ')}."
            )
            raise ApiError(403, message, code="wrong_origin")


def _is_local(url: str) -> bool:
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return False
    return bool(host) and (is_loopback_host(str(host)) or _is_private(str(host)))


def _is_private(host: str) -> bool:
    """Whether public DNS cannot resolve a name: it has no dot, or a reserved top-level domain."""
    # A number without a dot is an IP address.
    return host[:1].isalpha() and ("." not in host or host.rpartition(".")[2] in PRIVATE_DOMAINS)
