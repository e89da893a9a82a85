"""Sending a completion: a place first, then the reply, for as long as the client is there."""

from __future__ import annotations

import anyio
from sse_starlette import EventSourceResponse
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from a2r.server.completion import Completion
from a2r.server.connection import ClientGoneError, Sent, while_connected
from a2r.server.errors import ApiError
from a2r.server.limits import Places
from a2r.server.note import note_of
from a2r.server.replies import SafeJson

CLIENT_GONE = 499
PING_SECONDS = 15


class Sending(Response):
    """The response to a request for completions; it runs them while it is sent.

    A client that hangs up, also while it waits for a place, ends everything done for it.
    """

    def __init__(
        self, completion: Completion, places: Places, *, stream: bool, grace: float
    ) -> None:
        super().__init__()
        self.completion = completion
        self.places = places
        self.stream = stream
        self.grace = grace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait for a place, run, and send."""
        sent = Sent(send)
        try:
            await while_connected(self._respond(scope, receive, sent), receive, sent)
        except ClientGoneError:
            note_of(scope).fields["status"] = CLIENT_GONE

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with self.places.place():
                response = self._streamed() if self.stream else await self._whole()
                await response(scope, _silent, send)
        except ApiError as error:
            await error_response(error)(scope, receive, send)

    async def _whole(self) -> Response:
        return SafeJson(await self.completion.whole())

    def _streamed(self) -> Response:
        return EventSourceResponse(
            self.completion.stream(),
            sep="\n",
            ping=PING_SECONDS,
            shutdown_event=anyio.Event(),
            shutdown_grace_period=self.grace,
        )


def error_response(error: ApiError) -> Response:
    """An error as a response."""
    return SafeJson(error.body(), status_code=error.status, headers=error.headers)


async def _silent() -> dict[str, str]:
    """The receive channel of a response whose client is watched already."""
    await anyio.sleep_forever()
    raise AssertionError("never woken")
