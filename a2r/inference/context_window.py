"""How much of an endpoint's context a prompt takes: by its tokenizer, or by an estimate."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from a2r.config import EMBEDDED, Config, RoleConfig
from a2r.inference.endpoint_api import EndpointUnavailableError, prompt_tokens, served_models
from a2r.inference.transport.http_sessions import HttpSessions
from a2r.inference.transport.loop_clients import headers
from a2r.inference.types import ChatMessage
from a2r.usage import estimate_prompt_tokens

RETRY_SECONDS = 30.0
COUNTS, MODELS = "tokenize", "models"


@dataclass(frozen=True, kw_only=True)
class PromptSize:
    """The tokens of a prompt, and of the context it has to fit in with its reply.

    `context` is `None` where nobody tells it; `exact` says that the server counted.
    """

    tokens: int
    context: int | None
    exact: bool = False


@dataclass
class ContextWindows:
    """What is known of the endpoints' contexts; asked once where the answer cannot change.

    What an endpoint could not be asked, it is asked again after `AGAIN_SECONDS`.
    """

    _lock_by_url: dict[str, bool] = field(default_factory=dict)
    _told: dict[tuple[str, str], int | None] = field(default_factory=dict)
    _silent: dict[tuple[str, str], float] = field(default_factory=dict)

    async def size(
        self,
        config: Config,
        role: RoleConfig,
        http: HttpSessions,
        messages: Sequence[ChatMessage],
    ) -> PromptSize:
        """The size of a prompt at a role's first endpoint.

        vLLM's `/tokenize` counts; elsewhere a token is taken for three bytes of UTF-8. The context
        is what `references.context` says, or the embedded engine's, or what the server tells.
        """
        estimate = estimate_prompt_tokens(message["content"] for message in messages)
        own = config.references.context
        if EMBEDDED in role.endpoints:
            context = own or config.engine.context
            return PromptSize(tokens=estimate, context=context)
        url = role.endpoints[0]
        sent = headers(role, url)
        counted = await self._counted(http, url, sent, role.model, messages)
        if counted is not None:
            tokens, context = counted
            return PromptSize(tokens=tokens, context=own or context, exact=True)
        return PromptSize(
            tokens=estimate, context=own or await self._context(http, url, sent, role.model)
        )

    async def _counted(
        self,
        http: HttpSessions,
        url: str,
        sent: Mapping[str, str],
        model: str,
        messages: Sequence[ChatMessage],
    ) -> tuple[int, int] | None:
        if not self._lock_by_url.get(url, True) or self._is_silent(url, COUNTS):
            return None
        try:
            counted = await prompt_tokens(http, url, sent, model, messages)
        except EndpointUnavailableError:
            self._silent[url, COUNTS] = time.monotonic()
            return None
        self._lock_by_url[url] = counted is not None
        return counted

    async def _context(
        self, http: HttpSessions, url: str, sent: Mapping[str, str], model: str
    ) -> int | None:
        if (url, model) in self._told:
            return self._told[url, model]
        if self._is_silent(url, MODELS):
            return None
        try:
            models = await served_models(http, url, sent)
        except EndpointUnavailableError:
            self._silent[url, MODELS] = time.monotonic()
            return None
        self._told[url, model] = (models or {}).get(model)
        return self._told[url, model]

    def _is_silent(self, url: str, question: str) -> bool:
        """Whether it could not be asked just now: a server that hangs is not asked each time."""
        since = self._silent.get((url, question))
        return since is not None and time.monotonic() < since + RETRY_SECONDS
