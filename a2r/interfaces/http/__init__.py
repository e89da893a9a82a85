"""What the HTTP servers share: sockets, API keys, settings, served models."""
