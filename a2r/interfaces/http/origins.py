"""Origins of web pages that the operator allows."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

ANY_ORIGIN = "*"


def is_allowed_origin(origin: str, origins: Iterable[str]) -> bool:
    """Whether an origin is one of those that the operator names, or `*` is."""
    return any(allowed in (ANY_ORIGIN, origin) for allowed in origins)


def check_origin_format(origin: str) -> str:
    """Return an origin as browsers send it: scheme, host and port, without a path.

    Raises:
        ValueError: it is no origin.
    """
    if origin == ANY_ORIGIN:
        return origin
    parts = urlsplit(origin.rstrip("/"))
    rest = (parts.path, parts.query, parts.fragment)
    if not parts.scheme or not parts.netloc or any(rest) or "@" in parts.netloc:
        raise ValueError(f"{origin!r} is no origin: use scheme://host:port, or *")
    return f"{parts.scheme}://{parts.netloc}".lower()
