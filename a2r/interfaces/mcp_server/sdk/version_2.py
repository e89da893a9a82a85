"""The server of the `mcp` SDK 2.x."""

from __future__ import annotations

from typing import Any, cast

import anyio
from mcp import MCPError
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types import CallToolResult
from starlette.applications import Starlette

from a2r._version import __version__
from a2r.interfaces.mcp_server.resources import JSON
from a2r.interfaces.mcp_server.sdk.listing import Listing
from a2r.interfaces.mcp_server.sdk.protocol import TextReader, TextWriter
from a2r.interfaces.mcp_server.server import INSTRUCTIONS, ProtocolError, RequestHandlers
from a2r.interfaces.mcp_server.tool import CallContext

AsyncTextFile = anyio.AsyncFile[str]


class Version2Server(Listing, MCPServer[None]):
    """The SDK's server, with the handlers' tools and resources."""

    def __init__(self, handlers: RequestHandlers) -> None:
        super().__init__(
            "a2r",
            title="A2R",
            description="Solves hard questions with several samples and a synthesis",
            instructions=INSTRUCTIONS,
            version=__version__,
            log_level="WARNING",
        )
        self._handlers = handlers

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[None, Any] | None = None
    ) -> CallToolResult:
        """Call a tool."""
        if context is None:
            raise TypeError("a tool is called with the context of a request")
        call = CallContext(
            send_progress=context.report_progress,
            http_request=context.request_context.request,
        )
        result = await self._handlers.call_tool(name, arguments, call)
        return CallToolResult.model_validate(result)

    async def read_resource(
        self, uri: Any, context: Context[None, Any] | None = None
    ) -> list[ReadResourceContents]:
        """Read a resource."""
        try:
            text = await self._handlers.read_resource(str(uri))
        except ProtocolError as error:
            raise MCPError(code=error.code, message=str(error), data=error.data) from error
        return [ReadResourceContents(content=text, mime_type=JSON)]

    def http_app(self, path: str, security: TransportSecuritySettings | None) -> Starlette:
        """The server as an ASGI application, which can be run once."""
        # Without settings, the SDK allows only loopback names if its host is a loopback one.
        return self.streamable_http_app(
            streamable_http_path=path, transport_security=security, host="0.0.0.0"
        )

    async def serve_stdio(self, stdin: TextReader, stdout: TextWriter) -> None:
        """Serve the client of these streams until the end of stdin."""
        files = cast("AsyncTextFile", stdin), cast("AsyncTextFile", stdout)
        async with stdio_server(*files) as (reader, writer):
            server = self._lowlevel_server
            await server.run(reader, writer, server.create_initialization_options())
