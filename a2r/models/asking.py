"""Small questions to an endpoint: does it answer, what does it serve, how long is a prompt."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import aiohttp

from a2r.models.faults import CallFault, fault_of, timeout_fault, unreachable_fault
from a2r.models.http import HttpSessions, StatusError
from a2r.models.reply import ChatMessage
from a2r.models.transcript import count_or_none

PROBE_SECONDS = 5.0
UNASKED = (aiohttp.ClientError, OSError, ValueError)


async def probe(http: HttpSessions, url: str, headers: Mapping[str, str]) -> CallFault | None:
    """`None` if an endpoint answers anything but a server error to a cheap question, else why."""
    try:
        await http.get(f"{url}/models", headers, PROBE_SECONDS)
    except TimeoutError:
        return timeout_fault(f"no answer within {PROBE_SECONDS:g} s")
    except StatusError as error:
        return fault_of(error) if error.status >= 500 else None
    except UNASKED as error:
        fault = fault_of(error)
        return fault if fault.fault == "unreachable" else unreachable_fault(error)
    return None


async def listens(url: str) -> bool:
    """Whether anybody takes connections at a URL."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            _, writer = await asyncio.open_connection(parts.hostname, port)
    except (OSError, TimeoutError):
        return False
    writer.transport.abort()
    return True


async def served_models(
    http: HttpSessions, url: str, headers: Mapping[str, str]
) -> dict[str, int | None] | None:
    """As `listed_models`, of an endpoint; also `None` where it cannot be asked."""
    try:
        body = await http.get(f"{url}/models", headers, PROBE_SECONDS)
    except (TimeoutError, StatusError, *UNASKED):
        return None
    return listed_models(body)


def listed_models(listing: object) -> dict[str, int | None] | None:
    """The models in what `/models` answered, each with its context in tokens where that is told.

    `None` where it is no listing.
    """
    data = listing.get("data") if isinstance(listing, dict) else None
    if not isinstance(data, list):
        return None
    return {
        str(entry["id"]): count_or_none(entry.get("max_model_len"))
        for entry in data
        if isinstance(entry, dict) and "id" in entry
    }


async def prompt_tokens(
    http: HttpSessions,
    url: str,
    headers: Mapping[str, str],
    model: str,
    messages: Sequence[ChatMessage],
) -> tuple[int, int] | None:
    """The tokens of a prompt and of the context, as vLLM's `/tokenize` counts; `None` elsewhere."""
    question = {"model": model, "messages": list(messages)}
    root = url.removesuffix("/v1")
    try:
        body = await http.ask(f"{root}/tokenize", headers, PROBE_SECONDS, question)
    except (TimeoutError, StatusError, *UNASKED):
        return None
    if not isinstance(body, dict):
        return None
    count, context = count_or_none(body.get("count")), count_or_none(body.get("max_model_len"))
    # No prompt has no tokens, and no server no context: what says so does not count.
    return (count, context) if count and context else None
