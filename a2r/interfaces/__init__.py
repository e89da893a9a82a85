"""The solver as chat model, tool, OpenAI server and MCP server."""
