"""Requests that a web page sent through the browser of whoever runs the server."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers

from a2r._internal.text import one_line
from a2r._internal.urls import is_loopback_host
from a2r.interfaces.openai_server.api_errors import ApiError

# RFC 6761 and RFC 6762, and the decision of ICANN of July 2024.
PRIVATE = frozenset({"localhost", "local", "internal"})
REMEDY = "start it with --keys, or with --no-auth if everybody may use it"


def check_origin(headers: Headers) -> None:
    """Let this machine's own requests through alone.

    A page of another site reaches a server on loopback by a name of its own that it has point
    there (DNS rebinding), or by a request that needs no leave of the server's; `Host` and `Origin`
    tell of both.

    Raises:
        ApiError: `Host` or `Origin` is not this machine's.
    """
    for host in headers.getlist("host"):
        if host and not _is_own(f"//{host}"):
            shown = one_line(host, 100)
            what = f"This server answers this machine alone, not as '{shown}': {REMEDY}."
            raise ApiError(421, what, code="wrong_host")
    for origin in headers.getlist("origin"):
        if not (origin.startswith(("http://", "https://")) and _is_own(origin)):
            shown = one_line(origin, 100)
            what = f"This server answers no pages of '{shown}': {REMEDY}."
            raise ApiError(403, what, code="wrong_origin")


def _is_own(url: str) -> bool:
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return False
    return bool(host) and (is_loopback_host(str(host)) or _is_private(str(host)))


def _is_private(host: str) -> bool:
    """Whether nobody outside can have a name point here: it has no dot, or is kept for such use."""
    # A number without a dot is an IP address.
    return host[:1].isalpha() and ("." not in host or host.rpartition(".")[2] in PRIVATE)
