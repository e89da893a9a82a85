"""Details for error messages that only the endpoint knows: its models, the prompt's length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from a2r._internal.text import one_line
from a2r.config import RoleConfig
from a2r.inference.call_errors import MAX_DETAIL_CHARACTERS, CallError
from a2r.inference.context_limit_parser import TOO_LONG, max_reply_tokens, with_excess
from a2r.inference.endpoint_api import or_none, prompt_tokens, served_models
from a2r.inference.transport.http_sessions import HttpSessions
from a2r.inference.transport.loop_clients import headers
from a2r.inference.types import ChatMessage


async def add_endpoint_details(
    error: CallError,
    *,
    http: HttpSessions,
    url: str,
    role: RoleConfig,
    messages: Sequence[ChatMessage],
) -> CallError:
    """Return the error of a request, with details from its endpoint."""
    request_headers = headers(role, url)
    if error.status == 404:
        names = await or_none(served_models(http, url, request_headers))
        if names is not None and role.model not in names:
            served = ", ".join(names) or "none"
            message = f"model {role.model!r} not served (available: {served}): {error.message}"
            return replace(error, message=one_line(message, MAX_DETAIL_CHARACTERS))
    if error.error_type == "context_overflow" and TOO_LONG not in error.message:
        counts = await or_none(prompt_tokens(http, url, request_headers, role.model, messages))
        if counts is not None:
            message = _overflow_message(*counts, role, error.message)
            return replace(error, message=message, max_reply_tokens=max_reply_tokens(*counts))
    return error


def _overflow_message(prompt: int, context: int, role: RoleConfig, message: str) -> str:
    # A prompt that fills the context leaves no token for the reply; with a shorter prompt, the
    # server rejected the requested length of the reply.
    reply = 1 if prompt >= context else role.sampling.max_tokens or 1
    excess = prompt + reply - context
    return one_line(
        with_excess(excess, f"the prompt has {prompt}, the context {context}; {message}"),
        MAX_DETAIL_CHARACTERS,
    )
