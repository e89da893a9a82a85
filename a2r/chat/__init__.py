"""A2R behind a chat interface: what a request asks for, and what is told while it runs."""

from a2r.chat.content import FinishReason, content_of, finish_reason_of, finished_result
from a2r.chat.deltas import Delta, deltas
from a2r.chat.options import ChatOptions

__all__ = [
    "ChatOptions",
    "Delta",
    "FinishReason",
    "content_of",
    "deltas",
    "finish_reason_of",
    "finished_result",
]
