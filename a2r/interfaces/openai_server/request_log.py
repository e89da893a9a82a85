"""The context of a request, collected while it is served: for access log, metrics and response."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field

from starlette.types import Scope

from a2r._internal.request_ids import valid_request_id
from a2r._internal.text import one_line
from a2r.events import AnyEvent, GateDecided, RunStarted
from a2r.interfaces.openai_server.api_errors import ApiError

SCOPE_KEY = "a2r_request_context"


@dataclass
class RequestContext:
    """A request: its ID, its start (monotonic), its key's name, its model, its runs.

    `status` is the final status, if it differs from the sent one or none was sent. `error` is for
    the operator. `is_complete` is whether the body has arrived.
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
    is_complete: bool = True

    def on_event(self, event: AnyEvent) -> None:
        """Record a run's ID and its gate's decisions."""
        match event:
            case RunStarted():
                self.runs.append(event.run_id)
            case GateDecided():
                self.decisions.append(event.gate.decision)

    def on_error(self, error: ApiError) -> None:
        """Record the error that ended the request, whatever was sent before."""
        self.status = error.status
        # The message may repeat parts of the client's key, which must not be logged.
        self.error = one_line(error.detail or error.code or error.type)

    def seconds(self) -> float:
        """The seconds since the request started."""
        return time.monotonic() - self.started


def new_request_context(request_id: str | None) -> RequestContext:
    """The context of a new request, with the client's request ID if that is valid."""
    valid = valid_request_id(request_id)
    return RequestContext(request_id=valid or f"req-{uuid.uuid4().hex}")


def get_request_context(scope: Scope) -> RequestContext:
    """The context of the request of a scope."""
    context: RequestContext = scope[SCOPE_KEY]
    return context
