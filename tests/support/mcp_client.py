"""The client of the installed `mcp` SDK: the one of version 2.x, or version 1.x in its form."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

VERSION = int(metadata.version("mcp").partition(".")[0])
# The protocol of July 2026, which has no sessions and no client in the SDK 1.x, and the previous
# one.
ERAS = ("auto", "legacy") if VERSION > 1 else ("legacy",)

if TYPE_CHECKING or VERSION > 1:
    from mcp import Client, MCPError

    from tests.support.mcp_client_2 import http_transport
else:
    from tests.support.mcp_client_1 import Client, MCPError, http_transport

__all__ = ["ERAS", "VERSION", "Client", "MCPError", "http_transport"]
