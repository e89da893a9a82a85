"""The tag of thinking that an endpoint's chat template opens at the end of the prompt.

The reply of such an endpoint starts inside the thinking, and only the closing tag is in its text. A
stream is split from its first token if the tag is known before: from vLLM's `/tokenize`, or from an
earlier reply.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from a2r._internal.reasoning import Tag, opening_at_end
from a2r.config import EMBEDDED, RoleConfig
from a2r.inference.endpoint_api import (
    EndpointUnavailableError,
    RequestRefusedError,
    prompt_end,
)
from a2r.inference.finish_reasons import is_limit
from a2r.inference.routing.endpoint_state import EndpointState
from a2r.inference.transport.http_sessions import HttpSessions
from a2r.inference.transport.loop_clients import headers
from a2r.inference.transport.stream_accumulator import StreamAccumulator
from a2r.inference.types import ChatMessage

MAX_OPENINGS = 256
TEMPLATE_FIELDS = ("chat_template", "chat_template_kwargs")


async def find_opening(
    endpoint: EndpointState, role: RoleConfig, http: HttpSessions, messages: Sequence[ChatMessage]
) -> Tag | None:
    """The tag that the prompts of a role open at an endpoint; looked up once.

    `None` if there is none, or if the endpoint does not say it and has not replied yet.
    """
    key = _key(role)
    if key not in endpoint.openings and not endpoint.name.startswith(EMBEDDED):
        extra = role.sampling.extra_body
        template = {name: extra[name] for name in TEMPLATE_FIELDS if name in extra}
        try:
            end = await prompt_end(
                http, endpoint.name, headers(role, endpoint.name), role.model, messages, template
            )
        except (EndpointUnavailableError, RequestRefusedError):
            end = None
        if end is not None:
            _record(endpoint, key, opening_at_end(end))
    return endpoint.openings.get(key)


def learn_opening(
    endpoint: EndpointState, role: RoleConfig, accumulator: StreamAccumulator
) -> None:
    """Record what the complete reply of a stream shows about the end of its prompt."""
    opening = accumulator.opening_of_prompt
    # In a reply that was cut off, the closing tag may be missing.
    if opening is not None or (accumulator.content and not is_limit(accumulator.finish_reason)):
        _record(endpoint, _key(role), opening)


def _record(endpoint: EndpointState, key: str, opening: Tag | None) -> None:
    # Clients of a server may send any number of different templates.
    if len(endpoint.openings) >= MAX_OPENINGS:
        endpoint.openings.clear()
    endpoint.openings[key] = opening


def _key(role: RoleConfig) -> str:
    extra = role.sampling.extra_body
    template = [extra.get(name) for name in TEMPLATE_FIELDS]
    return json.dumps([role.model, *template], sort_keys=True)
