"""A2R behind a chat interface: what a request asks for, and what is told while it runs."""

from a2r.interfaces.chat.reply_content import (
    FinishReason,
    content_of,
    finish_reason_of,
    finished_result,
)
from a2r.interfaces.chat.request_options import ChatOptions
from a2r.interfaces.chat.stream_deltas import Delta, deltas

__all__ = [
    "ChatOptions",
    "Delta",
    "FinishReason",
    "content_of",
    "deltas",
    "finish_reason_of",
    "finished_result",
]
