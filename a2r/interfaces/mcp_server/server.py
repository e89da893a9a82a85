"""The requests of MCP clients, independent of the transport and of the SDK's version.

Definitions and results are JSON values in the protocol's form.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from a2r._internal.logging import get_logger
from a2r._internal.suggestions import suggestion
from a2r._internal.text import one_line
from a2r.errors import A2RError
from a2r.interfaces.mcp_server import resources
from a2r.interfaces.mcp_server.server_state import ServerState
from a2r.interfaces.mcp_server.tool import MAX_NAME_CHARACTERS, CallContext, Tool, ToolError
from a2r.interfaces.mcp_server.tool_definitions import define_tools

INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
INSTRUCTIONS = (
    "A2R solves hard questions by sampling several solutions with a small model and, if they "
    "disagree, letting a bigger model write a solution based on them. Use the tool solve for a "
    "question that one attempt is likely to get wrong, compare_answers and cluster_answers to "
    "compare final answers without a model. The resource a2r://configs lists the available models."
)


class ProtocolError(Exception):
    """A request failed with a JSON-RPC error of this code."""

    def __init__(self, code: int, message: str, data: dict[str, Any]) -> None:
        super().__init__(message)
        self.code = code
        self.data = data


@dataclass(frozen=True, kw_only=True)
class RequestHandlers:
    """Answers the requests of clients with the tools and resources of a state."""

    state: ServerState
    _tools: dict[str, Tool[Any]] = field(init=False)

    def __post_init__(self) -> None:
        tools = {tool.name: tool for tool in define_tools(self.state)}
        object.__setattr__(self, "_tools", tools)

    def list_tools(self) -> list[dict[str, Any]]:
        """The definitions of the tools."""
        return [tool.definition() for tool in self._tools.values()]

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: CallContext
    ) -> dict[str, Any]:
        """The result of a call; a failure is a result with `isError`."""
        try:
            output = await self._tool(name).call(arguments, context)
        except ToolError as error:
            return _tool_result(str(error), is_error=True)
        except Exception:  # noqa: BLE001 - logged; clients must not learn its details
            get_logger().exception("tool failed", tool=name)
            message = f"{name} failed: internal error, see the server's log"
            return _tool_result(message, is_error=True)
        structured = output.model_dump(mode="json")
        text = json.dumps(structured, ensure_ascii=False, indent=2)
        return {**_tool_result(text, is_error=False), "structuredContent": structured}

    def list_resources(self) -> list[dict[str, Any]]:
        """The definitions of the resources."""
        return [resources.CONFIGS]

    def list_resource_templates(self) -> list[dict[str, Any]]:
        """The definitions of the resource templates."""
        return [resources.CONFIG, resources.RUN]

    async def read_resource(self, uri: str) -> str:
        """The JSON text of a resource.

        Raises:
            ProtocolError: the resource is unknown, or cannot be read.
        """
        try:
            return await resources.read_resource(self.state, uri)
        except resources.UnknownResourceError as error:
            raise ProtocolError(INVALID_PARAMS, one_line(str(error)), {"uri": uri}) from error
        except A2RError as error:
            raise ProtocolError(INTERNAL_ERROR, one_line(str(error)), {"uri": uri}) from error
        except Exception as error:
            get_logger().exception("resource failed", uri=uri)
            message = "internal error, see the server's log"
            raise ProtocolError(INTERNAL_ERROR, message, {"uri": uri}) from error

    def _tool(self, name: str) -> Tool[Any]:
        if name not in self._tools:
            shown = one_line(name, MAX_NAME_CHARACTERS)
            raise ToolError(f"unknown tool {shown!r}{suggestion(name, self._tools)}")
        return self._tools[name]


def _tool_result(text: str, *, is_error: bool) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}], "isError": is_error}
