"""The HTTP sessions and chat models of one event loop."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field

from cachetools import LRUCache

from a2r._internal.urls import strip_credentials
from a2r.config import RoleConfig
from a2r.inference.transport.chat_openai import ReasoningChatOpenAI
from a2r.inference.transport.completion_request import CompletionTransport, StreamCapabilities
from a2r.inference.transport.credentials import NO_KEY, authorization
from a2r.inference.transport.http_sessions import HttpSessions

# One model per role, endpoint and sampling; overrides of requests create more.
MAX_CACHED_MODELS = 512


@dataclass
class LoopClients:
    """The sessions and chat models of one event loop; closed when that loop shuts down."""

    http: HttpSessions = field(default_factory=HttpSessions)
    _models: LRUCache[tuple[object, ...], ReasoningChatOpenAI] = field(
        default_factory=lambda: LRUCache(MAX_CACHED_MODELS)
    )

    def chat_model(
        self,
        role: RoleConfig,
        base_url: str,
        capabilities: StreamCapabilities,
        idle_timeout: float,
    ) -> ReasoningChatOpenAI:
        """Return the chat model of a role at a base URL, with the role's sampling but no seed.

        Raises:
            ConfigError: the variable in the role's `api_key_env` is not set.
        """
        key = (base_url, role.fingerprint, idle_timeout)
        model = self._models.get(key)
        if model is None:
            transport = CompletionTransport(
                http=self.http,
                base_url=base_url,
                headers=headers(role, base_url),
                stream=role.stream,
                idle_timeout=idle_timeout,
                capabilities=capabilities,
            )
            model = _chat_model(role, strip_credentials(base_url)).with_transport(transport)
            self._models[key] = model
        return model


@dataclass
class ClientsByLoop:
    """The clients of each running event loop."""

    _clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, LoopClients] = field(
        default_factory=weakref.WeakKeyDictionary
    )

    def current(self) -> LoopClients:
        """Return the clients of the running loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            self._clients[loop] = LoopClients()
        return self._clients[loop]


def headers(role: RoleConfig, url: str) -> Mapping[str, str]:
    """Return the headers of a role's requests to an endpoint.

    Raises:
        ConfigError: the variable in `api_key_env` is not set, or its value is not a valid key.
    """
    return {
        "Authorization": authorization(role, url),
        "Content-Type": "application/json",
        "Accept": "text/event-stream, application/json",
    }


def _chat_model(role: RoleConfig, base_url: str) -> ReasoningChatOpenAI:
    sampling = role.sampling
    limit = {} if sampling.max_tokens is None else {"max_tokens": sampling.max_tokens}

    async def key() -> str:
        return NO_KEY

    # Requests use the transport: the placeholders keep ChatOpenAI from building its async clients,
    # and the async key keeps it from building the sync ones.
    unused = object()
    return ReasoningChatOpenAI(
        model=role.model,
        api_key=key,
        base_url=base_url,
        openai_proxy="",
        async_client=unused,
        root_async_client=unused,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        extra_body={**limit, **sampling.extra_body},
        use_responses_api=False,
        stream_usage=True,
        stream_chunk_timeout=None,
        max_retries=0,
        # LangChain's global cache must not return the same sample twice.
        cache=False,
    )
