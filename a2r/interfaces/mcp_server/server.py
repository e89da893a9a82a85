"""The MCP server: its tools and resources, whatever the transport."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp_types import CallToolResult, InputRequiredResult
from pydantic import ValidationError

from a2r._internal.text import one_line
from a2r._version import __version__
from a2r.interfaces.mcp_server.resources import add_resources
from a2r.interfaces.mcp_server.server_state import ServerState
from a2r.interfaces.mcp_server.tools import add_tools

DESCRIPTION = "Hard questions, solved by several samples and a second look at them"
INSTRUCTIONS = (
    "A2R solves hard questions by sampling several solutions with a small model and, where they "
    "disagree, letting a bigger one write its own over them. Use the tool solve for a question "
    "that one attempt is likely to get wrong, compare_answers and cluster_answers to compare "
    "final answers without a model. The resource a2r://configs lists the models to choose from."
)


class A2RMCPServer(MCPServer[None]):
    """The SDK's server, whose errors are plain lines."""

    async def call_tool(
        self,
        name: str,
        arguments: dict[str, Any],
        context: Context[None, Any] | None = None,
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool.

        Raises:
            ToolError: what a tool says of itself as it says it, arguments that do not fit in one
                line, and of a fault of ours no more than that there was one.
        """
        try:
            return await super().call_tool(name, arguments, context)
        except UnexpectedToolError as error:
            raise UnexpectedToolError(f"{name} failed: an internal error, see the log") from error
        except ToolError as error:
            raise ToolError(_tool_error(error)) from error


def build_server(desk: ServerState) -> A2RMCPServer:
    """The server of a desk, which it closes when it ends."""

    @asynccontextmanager
    async def lifespan(_: MCPServer[None]) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await desk.close()
            # What a graph of the user's has printed must not be left for the time when stdout is
            # the wire of the protocol again.
            sys.stdout.flush()

    server = A2RMCPServer(
        "a2r",
        title="A2R",
        description=DESCRIPTION,
        instructions=INSTRUCTIONS,
        version=__version__,
        lifespan=lifespan,
        log_level="WARNING",
    )
    add_tools(server, desk)
    add_resources(server, desk)
    return server


def _tool_error(error: ToolError) -> str:
    cause = error.__cause__
    if isinstance(cause, ValidationError):
        first = cause.errors(include_url=False, include_context=False)[0]
        argument, *inside = first["loc"]
        # What else stands there are the types that were tried, which says nothing to a client.
        places = [argument, *(part for part in inside if isinstance(part, int))]
        message = first["msg"][:1].lower() + first["msg"][1:]
        return one_line(f"{'.'.join(map(str, places))}: {message}")
    return str(cause or error)
