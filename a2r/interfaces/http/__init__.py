"""The shared parts of the HTTP servers: sockets, API keys, settings, served models."""
