"""Calling models: the chat model, its faults and retries, and the clients of each endpoint."""
