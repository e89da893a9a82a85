"""The size of a prompt and of an endpoint's context window, counted or estimated."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from a2r.config import EMBEDDED, Config, RoleConfig
from a2r.inference.endpoint_api import (
    EndpointUnavailableError,
    RequestRefusedError,
    prompt_tokens,
    served_models,
)
from a2r.inference.transport.http_sessions import HttpSessions
from a2r.inference.transport.loop_clients import headers
from a2r.inference.types import ChatMessage
from a2r.usage import estimate_prompt_tokens

RETRY_SECONDS = 30.0
TOKENIZE, LIST_MODELS = "tokenize", "models"


@dataclass(frozen=True, kw_only=True)
class PromptSize:
    """The size of a prompt, and of the context for prompt and reply, in tokens.

    `context` is `None` if it is unknown; `exact` means that the server counted the prompt.
    """

    tokens: int
    context: int | None
    exact: bool = False


@dataclass
class ContextWindows:
    """Context lengths and tokenizers of the endpoints, looked up once per endpoint.

    A lookup that fails because the endpoint is unavailable is retried after `RETRY_SECONDS`; a
    prompt that `/tokenize` refuses is estimated.
    """

    _has_tokenizer: dict[str, bool] = field(default_factory=dict)
    _context_lengths: dict[tuple[str, str], int | None] = field(default_factory=dict)
    _unavailable_since: dict[tuple[str, str], float] = field(default_factory=dict)

    async def size(
        self,
        config: Config,
        role: RoleConfig,
        http: HttpSessions,
        messages: Sequence[ChatMessage],
    ) -> PromptSize:
        """Return the size of a prompt at a role's first endpoint.

        The tokens are counted by vLLM's `/tokenize`; other servers' are estimated as three bytes
        of UTF-8 each. The context is `references.context` if set, else that of the embedded engine
        or the one that the server reports.
        """
        estimate = estimate_prompt_tokens(message["content"] for message in messages)
        override = config.references.context
        if EMBEDDED in role.endpoints:
            context = override or config.engine.context
            return PromptSize(tokens=estimate, context=context)
        url = role.endpoints[0]
        request_headers = headers(role, url)
        counts = await self._count_tokens(http, url, request_headers, role.model, messages)
        if counts is not None:
            tokens, context = counts
            return PromptSize(tokens=tokens, context=override or context, exact=True)
        length = override or await self._context_length(http, url, request_headers, role.model)
        return PromptSize(tokens=estimate, context=length)

    async def _count_tokens(
        self,
        http: HttpSessions,
        url: str,
        request_headers: Mapping[str, str],
        model: str,
        messages: Sequence[ChatMessage],
    ) -> tuple[int, int] | None:
        if not self._has_tokenizer.get(url, True) or self._is_unavailable(url, TOKENIZE):
            return None
        try:
            counts = await prompt_tokens(http, url, request_headers, model, messages)
        except RequestRefusedError:
            # It speaks of this prompt: the next one is counted again.
            return None
        except EndpointUnavailableError:
            self._unavailable_since[url, TOKENIZE] = time.monotonic()
            return None
        self._has_tokenizer[url] = counts is not None
        return counts

    async def _context_length(
        self, http: HttpSessions, url: str, request_headers: Mapping[str, str], model: str
    ) -> int | None:
        if (url, model) in self._context_lengths:
            return self._context_lengths[url, model]
        if self._is_unavailable(url, LIST_MODELS):
            return None
        try:
            models = await served_models(http, url, request_headers)
        except EndpointUnavailableError:
            self._unavailable_since[url, LIST_MODELS] = time.monotonic()
            return None
        self._context_lengths[url, model] = (models or {}).get(model)
        return self._context_lengths[url, model]

    def _is_unavailable(self, url: str, request: str) -> bool:
        """Whether this lookup failed within `RETRY_SECONDS`: a server that hangs costs time."""
        since = self._unavailable_since.get((url, request))
        return since is not None and time.monotonic() < since + RETRY_SECONDS
