"""The address on which a server listens."""

from __future__ import annotations

import socket

from a2r._internal.urls import bracket_host
from a2r.errors import ServingError

BACKLOG = 2048


def bind(host: str, port: int) -> socket.socket:
    """A socket at an address, which does not listen yet; port 0 takes any that is free.

    Raises:
        ServingError: the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Asyncio sends small pieces at once (TCP_NODELAY) only where a socket says that it is TCP.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, TypeError) as error:
        listener.close()
        raise _bind_error(host, port, error) from error
    return listener


def listen(listener: socket.socket) -> None:
    """Let clients connect.

    Raises:
        ServingError: somebody else came first, whose socket did not listen either by then.
    """
    try:
        listener.listen(BACKLOG)
    except OSError as error:
        host, port, *_ = listener.getsockname()
        raise _bind_error(host, port, error) from error


def listener_url(listener: socket.socket, path: str) -> str:
    """Where clients find what is served at a path."""
    host, port, *_ = listener.getsockname()
    return f"http://{format_address(host, port)}{path}"


def format_address(host: str, port: int) -> str:
    """A host and a port as URLs have them."""
    return f"{bracket_host(host)}:{port}"


def _bind_error(host: str, port: int, error: Exception) -> ServingError:
    why = getattr(error, "strerror", None) or error
    return ServingError(f"{format_address(host, port)}: {why}: choose another --port or --host")
