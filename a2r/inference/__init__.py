"""Calls to OpenAI-compatible endpoints: balance, retry, cancel and count them."""

from a2r.inference.types import ModelReply, Request

__all__ = ["ModelReply", "Request"]
