"""The shared parts of the chat interfaces: options, replies, and progress as stream deltas."""

from a2r.interfaces.chat.reply_content import (
    FinishReason,
    finish_reason,
    finished_result,
    reply_content,
)
from a2r.interfaces.chat.request_options import ChatOptions
from a2r.interfaces.chat.stream_deltas import Delta, deltas, hold_until_reply

__all__ = [
    "ChatOptions",
    "Delta",
    "FinishReason",
    "deltas",
    "finish_reason",
    "finished_result",
    "hold_until_reply",
    "reply_content",
]
