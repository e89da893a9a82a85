"""Which endpoints continue an assistant's message; others are asked in a new message."""

from __future__ import annotations

from a2r.config import EMBEDDED, RoleConfig
from a2r.inference.call_errors import CallError
from a2r.inference.call_state import Call
from a2r.inference.endpoint_api import continues_messages, or_none
from a2r.inference.routing.endpoint_state import EndpointState
from a2r.inference.transport.http_sessions import HttpSessions
from a2r.inference.transport.loop_clients import headers

REJECTED_STATUS = (400, 422)


async def can_continue(endpoint: EndpointState, role: RoleConfig, http: HttpSessions) -> bool:
    """Whether an endpoint continues an assistant's message; looked up once.

    If its list of models cannot be read, it does not for now.
    """
    if endpoint.continues_messages is None:
        endpoint.continues_messages = endpoint.name.startswith(EMBEDDED) or await or_none(
            continues_messages(http, endpoint.name, headers(role, endpoint.name))
        )
    return bool(endpoint.continues_messages)


def stop_continuing(call: Call, endpoint: EndpointState, error: CallError) -> bool:
    """Continue no more messages at an endpoint that rejected one; return whether it did.

    A chat template may be unable to continue a message, although its server knows the field.
    """
    rejected = error.status in REJECTED_STATUS and error.error_type == "rejected"
    if not (call.continues and rejected):
        return False
    endpoint.continues_messages = False
    return True
