"""What both servers of the SDK list: the tools and resources of the handlers."""

from __future__ import annotations

from mcp.types import Resource, ResourceTemplate, Tool

from a2r.interfaces.mcp_server.server import RequestHandlers


class Listing:
    """The lists of a server, as types of the installed SDK."""

    _handlers: RequestHandlers

    async def list_tools(self) -> list[Tool]:
        """List the tools."""
        return [Tool.model_validate(tool) for tool in self._handlers.list_tools()]

    async def list_resources(self) -> list[Resource]:
        """List the resources."""
        return [Resource.model_validate(each) for each in self._handlers.list_resources()]

    async def list_resource_templates(self) -> list[ResourceTemplate]:
        """List the resource templates."""
        templates = self._handlers.list_resource_templates()
        return [ResourceTemplate.model_validate(each) for each in templates]
