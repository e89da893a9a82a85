"""The client for OpenAI-compatible endpoints: load balancing, retries, cancellation, usage."""

from a2r.inference.types import ModelReply, Request

__all__ = ["ModelReply", "Request"]
