"""The server of the `mcp` SDK 1.x, from 1.24."""

from __future__ import annotations

import warnings
from typing import Any, cast

import anyio
from mcp.server.fastmcp import FastMCP
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import McpError  # type: ignore[attr-defined]
from mcp.types import CallToolResult, ErrorData
from starlette.applications import Starlette

from a2r._internal.logging import get_logger
from a2r._version import __version__
from a2r.interfaces.mcp_server.resources import JSON
from a2r.interfaces.mcp_server.sdk.listing import Listing
from a2r.interfaces.mcp_server.sdk.protocol import TextReader, TextWriter
from a2r.interfaces.mcp_server.server import INSTRUCTIONS, ProtocolError, RequestHandlers
from a2r.interfaces.mcp_server.tool import CallContext

AsyncTextFile = anyio.AsyncFile[str]
CLOSED_STREAM_ERRORS = (anyio.ClosedResourceError, anyio.BrokenResourceError)


class Version1Server(Listing, FastMCP[None]):
    """The SDK's server, with the handlers' tools and resources."""

    def __init__(self, handlers: RequestHandlers) -> None:
        with warnings.catch_warnings():
            # Older versions define the settings' field `lifespan` incompletely.
            warnings.filterwarnings("ignore", "Field 'lifespan' has an incomplete definition")
            super().__init__("a2r", instructions=INSTRUCTIONS, log_level="WARNING")
        self._mcp_server.version = __version__
        self._handlers = handlers

    async def call_tool(self, name: str, arguments: dict[str, Any]) -> CallToolResult:
        """Call a tool."""
        context = self.get_context().request_context
        token = context.meta.progressToken if context.meta else None

        async def send_progress(value: float, total: float | None, message: str) -> None:
            # The SDK's own function does not name the request in older versions, so that over HTTP
            # the notification is not sent to the client that waits for the result.
            if token is not None:
                await context.session.send_progress_notification(
                    progress_token=token,
                    progress=value,
                    total=total,
                    message=message,
                    related_request_id=str(context.request_id),
                )

        call = CallContext(send_progress=send_progress, http_request=context.request)
        result = await self._handlers.call_tool(name, arguments, call)
        return CallToolResult.model_validate(result)

    async def read_resource(self, uri: Any) -> list[ReadResourceContents]:
        """Read a resource."""
        try:
            text = await self._handlers.read_resource(str(uri))
        except ProtocolError as error:
            details = ErrorData(code=error.code, message=str(error), data=error.data)
            raise McpError(details) from error
        return [ReadResourceContents(content=text, mime_type=JSON)]

    def http_app(self, path: str, security: TransportSecuritySettings | None) -> Starlette:
        """The server as an ASGI application, which can be run once."""
        self.settings.streamable_http_path = path
        self.settings.transport_security = security
        return cast("Starlette", self.streamable_http_app())

    async def serve_stdio(self, stdin: TextReader, stdout: TextWriter) -> None:
        """Serve the client of these streams until the end of stdin."""
        files = cast("AsyncTextFile", stdin), cast("AsyncTextFile", stdout)
        server = self._mcp_server
        try:
            async with stdio_server(*files) as (reader, writer):
                await server.run(reader, writer, server.create_initialization_options())
        except* CLOSED_STREAM_ERRORS:
            # Calls that end after stdin try to send a result.
            get_logger().info("results after the end of stdin ignored")
