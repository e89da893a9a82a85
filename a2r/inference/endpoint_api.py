"""Small requests to an endpoint: probe it, list its models, count the tokens of a prompt."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp

from a2r._internal.urls import join_url
from a2r.inference.call_errors import CallError, timeout_error, to_call_error, unreachable_error
from a2r.inference.transport.http_sessions import HttpSessions, StatusError
from a2r.inference.transport.stream_accumulator import count_or_none
from a2r.inference.types import ChatMessage

T = TypeVar("T")
PROBE_SECONDS = 5.0
# The end of a prompt that shows what the chat template opens, and how tokenizers write spaces.
PROMPT_END_TOKENS = 16
BYTE_LEVEL_SPACES = str.maketrans({"Ġ": " ", "▁": " ", "Ċ": "\n"})
CONNECTION_ERRORS = (aiohttp.ClientError, OSError, ValueError)
# Servers with vLLM's field `continue_final_message`, as `owned_by` of their models names them.
CONTINUING_SERVERS = frozenset({"vllm", "sglang", "llamacpp"})
UNSUPPORTED = frozenset({400, 404, 405, 422, 501})
# With a payload, these statuses refuse the payload, which a server without the route cannot.
REFUSED = frozenset({400, 413, 422})


class EndpointUnavailableError(Exception):
    """An endpoint did not answer a small request; a later one may succeed."""


class RequestRefusedError(EndpointUnavailableError):
    """An endpoint refused the payload of a small request; another payload may succeed."""


async def probe(http: HttpSessions, url: str, headers: Mapping[str, str]) -> CallError | None:
    """Request `/models`; return the error, or `None` for any answer but a server error."""
    try:
        await http.get(join_url(url, "/models"), headers, PROBE_SECONDS)
    except TimeoutError:
        return timeout_error(f"no response within {PROBE_SECONDS:g} s")
    except StatusError as error:
        return to_call_error(error) if error.status >= 500 else None
    except CONNECTION_ERRORS as error:
        call_error = to_call_error(error)
        return call_error if call_error.error_type == "unreachable" else unreachable_error(error)
    return None


async def is_listening(url: str) -> bool:
    """Whether the host and port of a URL accept connections."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            _, writer = await asyncio.open_connection(parts.hostname, port)
    except (OSError, TimeoutError):
        return False
    writer.transport.abort()
    return True


async def or_none(lookup: Awaitable[T]) -> T | None:
    """Return the result of a lookup; `None` if the endpoint is unavailable."""
    try:
        return await lookup
    except EndpointUnavailableError:
        return None


async def served_models(
    http: HttpSessions, url: str, headers: Mapping[str, str]
) -> dict[str, int | None] | None:
    """Return the models of an endpoint as `parse_model_list` does.

    Raises:
        EndpointUnavailableError: the endpoint did not answer; a later request may succeed.
    """
    return parse_model_list(await _read_json(http, join_url(url, "/models"), headers, None))


def parse_model_list(listing: object) -> dict[str, int | None] | None:
    """Return the models in a response of `/models`, with their context in tokens if reported.

    `None` if the response is not a list of models.
    """
    entries = _model_entries(listing)
    if entries is None:
        return None
    return {str(entry["id"]): count_or_none(entry.get("max_model_len")) for entry in entries}


async def continues_messages(http: HttpSessions, url: str, headers: Mapping[str, str]) -> bool:
    """Whether all models of an endpoint run on servers that continue an assistant's message.

    Raises:
        EndpointUnavailableError: the endpoint did not answer; a later request may succeed.
    """
    entries = _model_entries(await _read_json(http, join_url(url, "/models"), headers, None))
    owners = {str(entry.get("owned_by")) for entry in entries or ()}
    return bool(owners) and owners <= CONTINUING_SERVERS


def _model_entries(listing: object) -> list[dict[str, Any]] | None:
    """Return the models in a response of `/models`; `None` if it is not a list of models."""
    data = listing.get("data") if isinstance(listing, dict) else None
    if not isinstance(data, list):
        return None
    return [entry for entry in data if isinstance(entry, dict) and "id" in entry]


async def prompt_tokens(
    http: HttpSessions,
    url: str,
    headers: Mapping[str, str],
    model: str,
    messages: Sequence[ChatMessage],
) -> tuple[int, int] | None:
    """Return the tokens of a prompt and of the context, as counted by vLLM's `/tokenize`.

    `None` if the endpoint has no such route.

    Raises:
        RequestRefusedError: the endpoint does not count this prompt; it may count another one.
        EndpointUnavailableError: the endpoint did not answer; a later request may succeed.
    """
    body = await _tokenize(http, url, headers, {"model": model, "messages": list(messages)})
    if not isinstance(body, dict):
        return None
    count, context = count_or_none(body.get("count")), count_or_none(body.get("max_model_len"))
    # Neither a prompt nor a context has 0 tokens: a server that reports 0 does not count.
    return (count, context) if count and context else None


async def prompt_end(
    http: HttpSessions,
    url: str,
    headers: Mapping[str, str],
    model: str,
    messages: Sequence[ChatMessage],
    template: Mapping[str, object],
) -> str | None:
    """Return the last tokens of a prompt as text, as vLLM's `/tokenize` shows them.

    `template` are the fields of the request that change its chat template. `None` if the endpoint
    has no such route, or does not show the text of tokens.

    Raises:
        RequestRefusedError: the endpoint does not tokenize this prompt.
        EndpointUnavailableError: the endpoint did not answer; a later request may succeed.
    """
    payload = {"model": model, "messages": list(messages), "return_token_strs": True, **template}
    body = await _tokenize(http, url, headers, payload)
    tokens = body.get("token_strs") if isinstance(body, dict) else None
    if not isinstance(tokens, list) or not tokens:
        return None
    text = "".join(map(str, tokens[-PROMPT_END_TOKENS:]))
    return text.translate(BYTE_LEVEL_SPACES)


async def _tokenize(
    http: HttpSessions, url: str, headers: Mapping[str, str], payload: Mapping[str, object]
) -> object:
    parts = urlsplit(url)
    root = parts._replace(path=parts.path.removesuffix("/v1")).geturl()
    return await _read_json(http, join_url(root, "/tokenize"), headers, payload)


async def _read_json(
    http: HttpSessions, url: str, headers: Mapping[str, str], payload: object
) -> object:
    """Return the response of a URL; `None` if the server does not have the route."""
    try:
        return await http.request_json(url, headers, PROBE_SECONDS, payload)
    except StatusError as error:
        if payload is not None and error.status in REFUSED:
            raise RequestRefusedError from error
        if error.status in UNSUPPORTED:
            return None
        raise EndpointUnavailableError from error
    except (TimeoutError, *CONNECTION_ERRORS) as error:
        raise EndpointUnavailableError from error
