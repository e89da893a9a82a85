"""The server that speaks OpenAI's API: `a2r serve`. Needs the extra `server`."""
