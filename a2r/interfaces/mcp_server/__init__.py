"""The MCP server: `a2r mcp`. Needs the extra `mcp`."""
