"""The client of the `mcp` SDK 1.x in the form of that of version 2.x."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any, Self

import httpx
from mcp import ClientSession, McpError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CancelledNotification, CancelledNotificationParams, ClientNotification
from pydantic import AnyUrl, BaseModel


class MCPError(Exception):
    """A JSON-RPC error, with the attributes of that of version 2.x."""

    def __init__(self, code: int, message: str, data: Any) -> None:
        super().__init__(message)
        self.code = code
        self.data = data


class SnakeCase:
    """A model of version 1.x, whose fields have names in snake case."""

    def __init__(self, model: BaseModel) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        camel_case = re.sub(r"_([a-z])", lambda match: match[1].upper(), name)
        return snake_case(getattr(self._model, camel_case))


def snake_case(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return SnakeCase(value)
    return [snake_case(each) for each in value] if isinstance(value, list) else value


@asynccontextmanager
async def http_transport(url: str, headers: Mapping[str, str]) -> AsyncIterator[Any]:
    timeout = httpx.Timeout(30, read=300)
    async with (
        httpx.AsyncClient(headers=dict(headers), timeout=timeout) as http,
        streamable_http_client(url, http_client=http) as streams,
    ):
        yield streams


class Client:
    """Connects to a URL, a program, or over a transport."""

    def __init__(
        self,
        server: str | StdioServerParameters | AbstractAsyncContextManager[Any],
        mode: str = "legacy",
    ) -> None:
        assert mode == "legacy"
        if isinstance(server, str):
            server = http_transport(server, {})
        elif isinstance(server, StdioServerParameters):
            server = stdio_client(server)
        self._transport = server
        self.instructions: str | None = None

    async def __aenter__(self) -> Self:
        self._stack = AsyncExitStack()
        read, write, *_ = await self._stack.enter_async_context(self._transport)
        self._session = await self._stack.enter_async_context(ClientSession(read, write))
        self.instructions = (await self._session.initialize()).instructions
        return self

    async def __aexit__(self, *error: Any) -> bool | None:
        return await self._stack.__aexit__(*error)

    async def call_tool(
        self,
        name: str,
        arguments: dict[str, Any],
        *,
        progress_callback: Any = None,
        read_timeout_seconds: float | None = None,
    ) -> Any:
        limit = None if read_timeout_seconds is None else timedelta(seconds=read_timeout_seconds)
        request_id = self._session._request_id
        try:
            called = self._session.call_tool(
                name, arguments, limit, progress_callback=progress_callback
            )
            return snake_case(await called)
        except asyncio.CancelledError:
            # The session itself does not, in contrast to that of version 2.x.
            await self._cancel(request_id)
            raise
        except McpError as error:
            await self._cancel(request_id)
            raise MCPError(error.error.code, str(error), error.error.data) from error

    async def list_tools(self) -> Any:
        return snake_case(await self._session.list_tools())

    async def list_resources(self) -> Any:
        return snake_case(await self._session.list_resources())

    async def list_resource_templates(self) -> Any:
        return snake_case(await self._session.list_resource_templates())

    async def read_resource(self, uri: str) -> Any:
        try:
            return snake_case(await self._session.read_resource(AnyUrl(uri)))
        except McpError as error:
            raise MCPError(error.error.code, str(error), error.error.data) from error

    async def _cancel(self, request_id: int) -> None:
        params = CancelledNotificationParams(requestId=request_id)
        cancelled = CancelledNotification(method="notifications/cancelled", params=params)
        await self._session.send_notification(ClientNotification(cancelled))
