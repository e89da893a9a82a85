"""Sending a completion: a place first, then the reply, for as long as the client is there."""

from __future__ import annotations

import json
import time

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from a2r.interfaces.http.disconnect import ClientDisconnectedError, TrackedSend, while_connected
from a2r.interfaces.openai_server.api_errors import ApiError
from a2r.interfaces.openai_server.chat_completion import ChatCompletionBuilder
from a2r.interfaces.openai_server.request_log import RequestContext, get_request_context
from a2r.interfaces.openai_server.request_queue import ConcurrencyLimiter
from a2r.interfaces.openai_server.response_models import AsciiJSONResponse
from a2r.interfaces.openai_server.sse_response import SSEResponse

CLIENT_CLOSED_REQUEST = 499
PING_SECONDS = 15.0
# A client that reads nothing for so long is gone: it would keep its place for ever.
SEND_TIMEOUT = 60.0


class CompletionResponse(Response):
    """The response to a request for completions; it runs them while it is sent.

    A client that hangs up, also while it waits for a place, ends everything done for it.
    """

    def __init__(
        self, completion: ChatCompletionBuilder, places: ConcurrencyLimiter, *, stream: bool
    ) -> None:
        super().__init__()
        self.completion = completion
        self.limiter = places
        self.stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait for a place, run, and send."""
        sent = TrackedSend(send)
        try:
            await while_connected(self._respond(scope, receive, sent), receive, sent)
        except ClientDisconnectedError:
            get_request_context(scope).status = CLIENT_CLOSED_REQUEST

    async def _respond(self, scope: Scope, receive: Receive, send: TrackedSend) -> None:
        came = time.monotonic()
        try:
            async with self.limiter.acquire():
                self.completion.queue_seconds(time.monotonic() - came)
                response = self._stream() if self.stream else await self._full_reply()
                await response(scope, receive, send)
        except ApiError as error:
            if not send.started:
                await error_response(error, get_request_context(scope))(scope, receive, send)
            elif not send.complete:
                get_request_context(scope).on_error(error)
                await send(_error_event(error))

    async def _full_reply(self) -> Response:
        return AsciiJSONResponse(await self.completion.full_reply())

    def _stream(self) -> Response:
        return SSEResponse(self.completion.stream(), ping=PING_SECONDS, stuck=SEND_TIMEOUT)


def error_response(error: ApiError, note: RequestContext) -> Response:
    """An error as the response to a request."""
    note.on_error(error)
    return AsciiJSONResponse(error.body(), status_code=error.status, headers=error.headers)


def _error_event(error: ApiError) -> Message:
    body = f"data: {json.dumps(error.body())}\n\n".encode("ascii")
    return {"type": "http.response.body", "body": body, "more_body": False}
