"""Small questions to an endpoint: does it answer, what does it serve, how long is a prompt."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

import aiohttp

from a2r.inference.call_errors import CallError, timeout_error, to_call_error, unreachable_error
from a2r.inference.transport.http_sessions import HttpSessions, StatusError
from a2r.inference.transport.stream_accumulator import count_or_none
from a2r.inference.types import ChatMessage

T = TypeVar("T")
PROBE_SECONDS = 5.0
CONNECTION_ERRORS = (aiohttp.ClientError, OSError, ValueError)
UNSUPPORTED = frozenset({400, 404, 405, 422, 501})


class EndpointUnavailableError(Exception):
    """An endpoint did not answer a small question now; another time it may."""


async def probe(http: HttpSessions, url: str, headers: Mapping[str, str]) -> CallError | None:
    """`None` if an endpoint answers anything but a server error to a cheap question, else why."""
    try:
        await http.get(f"{url}/models", headers, PROBE_SECONDS)
    except TimeoutError:
        return timeout_error(f"no answer within {PROBE_SECONDS:g} s")
    except StatusError as error:
        return to_call_error(error) if error.status >= 500 else None
    except CONNECTION_ERRORS as error:
        fault = to_call_error(error)
        return fault if fault.error_type == "unreachable" else unreachable_error(error)
    return None


async def is_listening(url: str) -> bool:
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


async def or_none(asking: Awaitable[T]) -> T | None:
    """What an endpoint tells; also `None` where it cannot be asked now."""
    try:
        return await asking
    except EndpointUnavailableError:
        return None


async def served_models(
    http: HttpSessions, url: str, headers: Mapping[str, str]
) -> dict[str, int | None] | None:
    """As `listed_models`, of an endpoint.

    Raises:
        NotToldError: it may answer another time.
    """
    return parse_model_list(await _read_json(http, f"{url}/models", headers, None))


def parse_model_list(listing: object) -> dict[str, int | None] | None:
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
    """The tokens of a prompt and of the context, as vLLM's `/tokenize` counts; `None` elsewhere.

    Raises:
        NotToldError: it may answer another time.
    """
    question = {"model": model, "messages": list(messages)}
    root = url.removesuffix("/v1")
    body = await _read_json(http, f"{root}/tokenize", headers, question)
    if not isinstance(body, dict):
        return None
    count, context = count_or_none(body.get("count")), count_or_none(body.get("max_model_len"))
    # No prompt has no tokens, and no server no context: what says so does not count.
    return (count, context) if count and context else None


async def _read_json(
    http: HttpSessions, url: str, headers: Mapping[str, str], question: object
) -> object:
    """What a URL answers; `None` where there is nothing to ask."""
    try:
        return await http.request_json(url, headers, PROBE_SECONDS, question)
    except StatusError as error:
        if error.status in UNSUPPORTED:
            return None
        raise EndpointUnavailableError from error
    except (TimeoutError, *CONNECTION_ERRORS) as error:
        raise EndpointUnavailableError from error
