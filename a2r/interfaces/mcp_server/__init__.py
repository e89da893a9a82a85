"""The MCP server, `a2r mcp`; needs the extra `mcp`."""
