"""Sending a completion: a place first, then the reply, for as long as the client is there."""

from __future__ import annotations

import json
import time

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from a2r.interfaces.http.disconnect import ClientGoneError, Sent, while_connected
from a2r.interfaces.openai_server.api_errors import ApiError
from a2r.interfaces.openai_server.chat_completion import Completion
from a2r.interfaces.openai_server.request_log import Note, note_of
from a2r.interfaces.openai_server.request_queue import Places
from a2r.interfaces.openai_server.response_models import SafeJson
from a2r.interfaces.openai_server.sse_response import EventStream

CLIENT_GONE = 499
PING_SECONDS = 15.0
# A client that reads nothing for so long is gone: it would keep its place for ever.
STUCK_SECONDS = 60.0


class Sending(Response):
    """The response to a request for completions; it runs them while it is sent.

    A client that hangs up, also while it waits for a place, ends everything done for it.
    """

    def __init__(self, completion: Completion, places: Places, *, stream: bool) -> None:
        super().__init__()
        self.completion = completion
        self.places = places
        self.stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait for a place, run, and send."""
        sent = Sent(send)
        try:
            await while_connected(self._respond(scope, receive, sent), receive, sent)
        except ClientGoneError:
            note_of(scope).status = CLIENT_GONE

    async def _respond(self, scope: Scope, receive: Receive, send: Sent) -> None:
        came = time.monotonic()
        try:
            async with self.places.place():
                self.completion.waited(time.monotonic() - came)
                response = self._streamed() if self.stream else await self._whole()
                await response(scope, receive, send)
        except ApiError as error:
            if not send.started:
                await error_response(error, note_of(scope))(scope, receive, send)
            elif not send.whole:
                note_of(scope).failed(error)
                await send(_last_event(error))

    async def _whole(self) -> Response:
        return SafeJson(await self.completion.whole())

    def _streamed(self) -> Response:
        return EventStream(self.completion.stream(), ping=PING_SECONDS, stuck=STUCK_SECONDS)


def error_response(error: ApiError, note: Note) -> Response:
    """An error as the response to a request."""
    note.failed(error)
    return SafeJson(error.body(), status_code=error.status, headers=error.headers)


def _last_event(error: ApiError) -> Message:
    body = f"data: {json.dumps(error.body())}\n\n".encode("ascii")
    return {"type": "http.response.body", "body": body, "more_body": False}
