"""What is noted of a request while it is served: for its log line, its metrics, its reply."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field

from starlette.types import Scope

from a2r._internal.request_ids import valid_request_id
from a2r._internal.text import one_line
from a2r.events import AnyEvent, GateDecided, RunStarted
from a2r.interfaces.openai_server.api_errors import ApiError

STATE = "a2r_note"


@dataclass
class RequestContext:
    """A request: its id, when it came, whose key it has, which model and runs it is about.

    `status` is what it came to, where another one was sent before that was known, or none at all;
    `error` is for the operator.
    """

    request_id: str
    started: float = field(default_factory=time.monotonic)
    key: str | None = None
    model: str | None = None
    stream: bool = False
    runs: list[str] = field(default_factory=list)
    decisions: list[str] = field(default_factory=list)
    status: int | None = None
    error: str | None = None

    def on_event(self, event: AnyEvent) -> None:
        """Note what an event says of the runs."""
        match event:
            case RunStarted():
                self.runs.append(event.run_id)
            case GateDecided():
                self.decisions.append(event.gate.decision)

    def on_error(self, error: ApiError) -> None:
        """Note the error that it came to, whatever was sent before."""
        self.status = error.status
        # A message may repeat what the client sent, such as letters of a key: no log has those.
        self.error = one_line(error.detail or error.code or error.type)

    def seconds(self) -> float:
        """Since it came."""
        return time.monotonic() - self.started


def new_request_context(given: str | None) -> RequestContext:
    """The note of a new request; its own id is kept if it is one that may go into headers."""
    own = valid_request_id(given)
    return RequestContext(request_id=own or f"req-{uuid.uuid4().hex}")


def get_request_context(scope: Scope) -> RequestContext:
    """The note of the request that a scope is of."""
    note: RequestContext = scope[STATE]
    return note
