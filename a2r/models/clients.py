"""The HTTP clients, chat models and places of one event loop."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

import httpx2
import openai

from a2r.config import RoleConfig
from a2r.models.chat_model import ReasoningChatOpenAI
from a2r.models.keys import NO_KEY, api_key

CONNECT_SECONDS = 10.0


@dataclass
class Place:
    """One endpoint's places on this loop: a hard cap, and the requests under way."""

    cap: asyncio.Semaphore
    outstanding: int = 0


@dataclass
class LoopClients:
    """Everything that is bound to one event loop; closed when that loop shuts down."""

    _http: dict[bool, openai.DefaultAioHttpClient] = field(default_factory=dict)
    _lifetimes: list[AsyncGenerator[None, None]] = field(default_factory=list)
    _models: dict[tuple[str, str], ReasoningChatOpenAI] = field(default_factory=dict)
    _places: dict[tuple[str, str], Place] = field(default_factory=dict)

    def place(self, role_model: str, endpoint: str, cap: int) -> Place:
        """The places of an endpoint for a model."""
        key = (role_model, endpoint)
        if key not in self._places:
            self._places[key] = Place(cap=asyncio.Semaphore(cap))
        return self._places[key]

    async def chat_model(self, role: RoleConfig, base_url: str) -> ReasoningChatOpenAI:
        """The chat model of a role at a base URL, with the role's sampling but for the seed."""
        key = (base_url, role.fingerprint)
        if key not in self._models:
            self._models[key] = _chat_model(role, await self.openai_client(role, base_url))
        return self._models[key]

    async def openai_client(self, role: RoleConfig, base_url: str) -> openai.AsyncOpenAI:
        """A client of an endpoint that takes nothing from `OPENAI_…` variables.

        Raises:
            ConfigError: the variable that the role's `api_key_env` names is not set.
        """
        client = openai.AsyncOpenAI(
            api_key=api_key(role),
            base_url=base_url,
            organization="",
            project="",
            max_retries=0,
            timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS),
            http_client=await self._http_client(_is_loopback(base_url)),
        )
        client.organization = client.project = None
        client._custom_headers = {}
        return client

    async def _http_client(self, loopback: bool) -> openai.DefaultAioHttpClient:
        if loopback not in self._http:
            client = openai.DefaultAioHttpClient(
                trust_env=not loopback,
                limits=httpx2.Limits(max_connections=None, max_keepalive_connections=None),
            )
            self._http[loopback] = client
            lifetime = _close_with_loop(client)
            self._lifetimes.append(lifetime)
            await anext(lifetime)
        return self._http[loopback]


@dataclass
class ClientsByLoop:
    """Gives each running event loop clients of its own."""

    _clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, LoopClients] = field(
        default_factory=weakref.WeakKeyDictionary
    )

    def current(self) -> LoopClients:
        """The clients of the running loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            self._clients[loop] = LoopClients()
        return self._clients[loop]


async def _close_with_loop(client: httpx2.AsyncClient) -> AsyncGenerator[None, None]:
    # A loop finalizes the generators that were begun on it (`shutdown_asyncgens`): the one
    # moment at which a client that lives as long as its loop can still be closed.
    try:
        yield
    finally:
        await client.aclose()


def _chat_model(role: RoleConfig, client: openai.AsyncOpenAI) -> ReasoningChatOpenAI:
    sampling = role.sampling
    limit = {} if sampling.max_tokens is None else {"max_tokens": sampling.max_tokens}

    async def key() -> str:
        return NO_KEY

    return ReasoningChatOpenAI(
        model=role.model,
        # An async key keeps ChatOpenAI from building a synchronous client that nobody uses.
        api_key=key,
        base_url=str(client.base_url),
        openai_proxy="",
        async_client=client.chat.completions,
        root_async_client=client,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        extra_body={**limit, **sampling.extra_body},
        use_responses_api=False,
        stream_usage=True,
        stream_chunk_timeout=None,
        max_retries=0,
    )


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
