"""The MCP server with its tools and resources, independent of the transport."""

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
from a2r.interfaces.mcp_server.tool_registration import add_tools

DESCRIPTION = "Solves hard questions with several samples and a synthesis"
INSTRUCTIONS = (
    "A2R solves hard questions by sampling several solutions with a small model and, if they "
    "disagree, letting a bigger model write a solution based on them. Use the tool solve for a "
    "question that one attempt is likely to get wrong, compare_answers and cluster_answers to "
    "compare final answers without a model. The resource a2r://configs lists the available models."
)


class A2RMCPServer(MCPServer[None]):
    """The SDK's server, with error messages of one or two plain lines."""

    async def call_tool(
        self,
        name: str,
        arguments: dict[str, Any],
        context: Context[None, Any] | None = None,
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool.

        Raises:
            ToolError: the tool failed, or an argument is invalid; of an unexpected exception the
                message has no details.
        """
        try:
            return await super().call_tool(name, arguments, context)
        except UnexpectedToolError as error:
            message = f"{name} failed: internal error, see the server's log"
            raise UnexpectedToolError(message) from error
        except ToolError as error:
            raise ToolError(_error_message(error)) from error


def build_server(state: ServerState) -> A2RMCPServer:
    """The server of a state, which it closes on shutdown."""

    @asynccontextmanager
    async def lifespan(_: MCPServer[None]) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await state.close()
            # The SDK has redirected stdout. Buffered output of a user's graph must not reach the
            # real stdout, which belongs to the protocol.
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
    add_tools(server, state)
    add_resources(server, state)
    return server


def _error_message(error: ToolError) -> str:
    cause = error.__cause__
    if isinstance(cause, ValidationError):
        first = cause.errors(include_url=False, include_context=False)[0]
        argument, *rest = first["loc"]
        # The other parts are pydantic's names of union members, which mean nothing to a client.
        path = [argument, *(part for part in rest if isinstance(part, int))]
        message = first["msg"][:1].lower() + first["msg"][1:]
        return one_line(f"{'.'.join(map(str, path))}: {message}")
    return str(cause or error)
