"""The record of a run's calls: known replies are not requested again, others are recorded."""

from __future__ import annotations

from typing import Protocol

from a2r.inference.transport.stream_accumulator import StreamAccumulator
from a2r.inference.types import ModelReply, Request
from a2r.usage import Usage


class ReplyRecord(Protocol):
    """What a client asks before a call, and tells about it; its requests have a `call` name."""

    async def find(self, request: Request) -> ModelReply | None:
        """Return the recorded reply of a call, or `None` to request it."""

    def on_send(self, request: Request, accumulator: StreamAccumulator) -> None:
        """Record that an HTTP request was sent; `accumulator` receives its stream."""

    def on_usage(self, request: Request, usage: Usage) -> None:
        """Record the usage of an HTTP request that has ended, in whatever way."""

    async def on_reply(self, request: Request, reply: ModelReply) -> None:
        """Record the reply of a call, which may have failed or been cancelled."""
