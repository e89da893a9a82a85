"""The listening socket of a server, and its URL."""

from __future__ import annotations

import socket

from a2r._internal.urls import bracket_host
from a2r.errors import ServingError

BACKLOG = 2048


def bind(host: str, port: int) -> socket.socket:
    """A bound socket, which does not listen yet; port 0 selects a free port.

    Raises:
        ServingError: the address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Asyncio sets TCP_NODELAY only on sockets that were created with IPPROTO_TCP.
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
        ServingError: another socket was bound to the address, and listens already.
    """
    try:
        listener.listen(BACKLOG)
    except OSError as error:
        host, port, *_ = listener.getsockname()
        raise _bind_error(host, port, error) from error


def listener_url(listener: socket.socket, path: str) -> str:
    """The URL of a path on the server."""
    host, port, *_ = listener.getsockname()
    return f"http://{format_address(host, port)}{path}"


def format_address(host: str, port: int) -> str:
    """A host and a port as in a URL."""
    return f"{bracket_host(host)}:{port}"


def _bind_error(host: str, port: int, error: Exception) -> ServingError:
    reason = getattr(error, "strerror", None) or error
    return ServingError(f"{format_address(host, port)}: {reason}: choose another --port or --host")
