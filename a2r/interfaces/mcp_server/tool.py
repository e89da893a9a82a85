"""A tool: its name, description and arguments, and the function that runs it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BeforeValidator, ValidationError
from starlette.requests import Request

from a2r._internal.models import FrozenModel
from a2r._internal.suggestions import suggestion
from a2r._internal.text import one_line
from a2r.interfaces.mcp_server.progress_notifications import Send
from a2r.interfaces.mcp_server.tool_outputs import ToolOutput

MAX_NAME_CHARACTERS = 80
A = TypeVar("A", bound=FrozenModel)


class ToolError(Exception):
    """A tool call failed; the client receives the message of one or two plain lines."""


@dataclass(frozen=True, kw_only=True)
class CallContext:
    """The connection of a call: sends progress, and the HTTP request (`None` over stdio)."""

    send_progress: Send
    http_request: Request | None


@dataclass(frozen=True, kw_only=True)
class Tool(Generic[A]):
    """A tool that only reads; `renamed` has former or likely names of arguments."""

    name: str
    title: str
    description: str
    arguments: type[A]
    output: type[ToolOutput]
    run: Callable[[A, CallContext], Awaitable[ToolOutput]]
    renamed: Mapping[str, str] = field(default_factory=dict)

    def definition(self) -> dict[str, Any]:
        """The tool as in the reply to `tools/list`."""
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "inputSchema": self.arguments.model_json_schema(),
            "outputSchema": self.output.model_json_schema(mode="serialization"),
            "annotations": {
                "readOnlyHint": True,
                "destructiveHint": False,
                "openWorldHint": False,
            },
        }

    async def call(self, arguments: dict[str, Any], context: CallContext) -> ToolOutput:
        """Run the tool.

        Raises:
            ToolError: an argument is unknown or invalid, or the tool failed.
        """
        return await self.run(self._parse(arguments), context)

    def _parse(self, arguments: dict[str, Any]) -> A:
        known = self.arguments.model_fields
        for name in arguments:
            if name not in known:
                raise ToolError(self._unknown_argument(name))
        try:
            return self.arguments.model_validate(arguments)
        except ValidationError as error:
            raise ToolError(_first_error(error)) from error

    def _unknown_argument(self, name: str) -> str:
        new_name = self.renamed.get(name)
        hint = (
            suggestion(name, self.arguments.model_fields)
            if new_name is None
            else f"; did you mean {new_name!r}?"
        )
        return f"unknown argument {one_line(name, MAX_NAME_CHARACTERS)!r}{hint}"


def decode_json(value: Any) -> Any:
    """Decode a list or null that is encoded as JSON text."""
    if not isinstance(value, str):
        return value
    try:
        decoded = json.loads(value)
    except ValueError:
        return value
    return decoded if decoded is None or isinstance(decoded, list) else value


# Some clients send arguments other than texts as JSON text.
DecodeJson = BeforeValidator(decode_json)


def _first_error(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    argument, *rest = first["loc"]
    # The other parts are pydantic's names of union members, which mean nothing to a client.
    path = [argument, *(part for part in rest if isinstance(part, int))]
    message = first["msg"][:1].lower() + first["msg"][1:]
    return one_line(f"{'.'.join(map(str, path))}: {message}")
