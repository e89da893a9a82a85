"""The server of the `mcp` SDK: versions 1.x, from 1.24, and 2.x have different ones."""

from __future__ import annotations

from importlib.util import find_spec

from a2r.interfaces.mcp_server.sdk.protocol import SDKServer
from a2r.interfaces.mcp_server.server import RequestHandlers

__all__ = ["SDKServer", "create_server"]


def create_server(handlers: RequestHandlers) -> SDKServer:
    """The server of the installed SDK."""
    if find_spec("mcp.server.mcpserver") is None:
        from a2r.interfaces.mcp_server.sdk.version_1 import Version1Server

        return Version1Server(handlers)
    from a2r.interfaces.mcp_server.sdk.version_2 import Version2Server

    return Version2Server(handlers)
