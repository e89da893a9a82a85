"""The OpenAI-compatible server, `a2r serve`; needs the extra `server`."""
