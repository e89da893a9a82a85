"""What the transports need of a server of the SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette


class TextReader(Protocol):
    """Lines of text, as those of an `anyio.AsyncFile`."""

    def __aiter__(self) -> AsyncIterator[str]:
        """Iterate over the lines."""
        ...


class TextWriter(Protocol):
    """Writes text, as an `anyio.AsyncFile`."""

    async def write(self, text: str) -> object:
        """Write a text."""
        ...

    async def flush(self) -> None:
        """Write what is buffered."""
        ...


class SDKServer(Protocol):
    """A server of the SDK."""

    def http_app(self, path: str, security: TransportSecuritySettings | None) -> Starlette:
        """The server as an ASGI application, which can be run once."""
        ...

    async def serve_stdio(self, stdin: TextReader, stdout: TextWriter) -> None:
        """Serve the client of these streams until the end of stdin."""
        ...
