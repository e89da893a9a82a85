"""Saying of a refusal what only the endpoint knows: its models' names, the length of a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from a2r._internal.text import one_line
from a2r.config import RoleConfig
from a2r.inference.call_errors import MAX_DETAIL_CHARACTERS, CallError
from a2r.inference.context_overflow import room_for_reply
from a2r.inference.endpoint_api import or_none, prompt_tokens, served_models
from a2r.inference.transport.http_sessions import HttpSessions
from a2r.inference.transport.loop_clients import headers
from a2r.inference.types import ChatMessage


async def add_endpoint_details(
    fault: CallError,
    *,
    http: HttpSessions,
    url: str,
    role: RoleConfig,
    messages: Sequence[ChatMessage],
) -> CallError:
    """A fault of a request to an endpoint, with what the endpoint can tell of its cause."""
    sent = headers(role, url)
    if fault.status == 404:
        names = await or_none(served_models(http, url, sent))
        if names is not None and role.model not in names:
            told = ", ".join(names) or "no model at all"
            message = f"it serves no model {role.model!r}, but {told}: {fault.message}"
            return replace(fault, message=one_line(message, MAX_DETAIL_CHARACTERS))
    if fault.error_type == "context_overflow" and "too long by" not in fault.message:
        counted = await or_none(prompt_tokens(http, url, sent, role.model, messages))
        if counted is not None:
            message = _too_long(*counted, role, fault.message)
            return replace(fault, message=message, room=room_for_reply(*counted))
    return fault


def _too_long(prompt: int, context: int, role: RoleConfig, message: str) -> str:
    # A prompt that fills the context lacks room for the reply's first token; one that fits was
    # refused for the length of the reply that was asked for.
    reply = 1 if prompt >= context else role.sampling.max_tokens or 1
    excess = prompt + reply - context
    return one_line(
        f"too long by {excess} tokens: the prompt has {prompt}, the context {context}; {message}",
        MAX_DETAIL_CHARACTERS,
    )
