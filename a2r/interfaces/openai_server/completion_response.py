"""The response to a completion request: wait in the queue, run, and send while connected."""

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


class CompletionResponse(Response):
    """The response to a completion request, which runs the completion while it is sent.

    If the client disconnects, in the queue or later, its runs are cancelled.
    """

    def __init__(
        self, completion: ChatCompletionBuilder, limiter: ConcurrencyLimiter, *, stream: bool
    ) -> None:
        super().__init__()
        self.completion = completion
        self.limiter = limiter
        self.stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait for a slot, run, and send."""
        tracked = TrackedSend(send)
        try:
            await while_connected(self._respond(scope, receive, tracked), receive, tracked)
        except ClientDisconnectedError:
            get_request_context(scope).status = CLIENT_CLOSED_REQUEST

    async def _respond(self, scope: Scope, receive: Receive, send: TrackedSend) -> None:
        queued_at = time.monotonic()
        try:
            async with self.limiter.acquire():
                self.completion.record_queue_time(time.monotonic() - queued_at)
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
        return SSEResponse(self.completion.stream(), ping_interval=PING_SECONDS)


def error_response(error: ApiError, context: RequestContext) -> Response:
    """The response for an error, which is also recorded in the request's context."""
    context.on_error(error)
    return AsciiJSONResponse(error.body(), status_code=error.status, headers=error.headers)


def _error_event(error: ApiError) -> Message:
    body = f"data: {json.dumps(error.body())}\n\n".encode("ascii")
    return {"type": "http.response.body", "body": body, "more_body": False}
