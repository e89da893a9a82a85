"""A2R behind a chat interface: what a request asks for, and what is told while it runs."""

from a2r.interfaces.chat.reply_content import (
    FinishReason,
    finish_reason,
    finished_result,
    reply_content,
)
from a2r.interfaces.chat.request_options import ChatOptions
from a2r.interfaces.chat.stream_deltas import Delta, deltas

__all__ = [
    "ChatOptions",
    "Delta",
    "FinishReason",
    "deltas",
    "finish_reason",
    "finished_result",
    "reply_content",
]
