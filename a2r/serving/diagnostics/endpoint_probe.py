"""Probe one endpoint: its models, speed, and response format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from a2r._internal.reasoning import split_reasoning
from a2r._internal.urls import redact_url, url_credentials
from a2r.config import RoleConfig
from a2r.config.roles import SamplingConfig
from a2r.inference.types import ChatMessage
from a2r.result import Role
from a2r.serving.diagnostics.report import EndpointReport, Finding, Reasoning, UsageSupport
from a2r.serving.diagnostics.timed_client import EndpointError, TimedClient, TimedReply
from a2r.serving.vllm.health_check import AUTH_ERROR_STATUS

SHORT_TOKENS = 32
# Any model needs at least 32 tokens for it, and reasoning models reason about it.
MESSAGES = (ChatMessage(role="user", content="What is 17 * 24? Explain each step."),)


@dataclass
class _Probe:
    """The state of a probe; `models` are the listed models with their context lengths."""

    role: RoleConfig
    client: TimedClient
    reachable: bool = True
    served: bool | None = None
    models: Mapping[str, int | None] = field(default_factory=dict)
    context: int | None = None
    findings: list[Finding] = field(default_factory=list)

    def error(self, text: str) -> None:
        self.findings.append(Finding(kind="error", text=text))

    def warning(self, text: str) -> None:
        self.findings.append(Finding(kind="warning", text=text))


async def probe(name: Role, client: TimedClient) -> EndpointReport:
    """Request the models, two short replies, and the token count of a prompt."""
    state = _Probe(role=client.role, client=client)
    first = short = None
    tokenize = None
    if await _probe_models(state):
        first = await _probe_stream(state)
        if first is not None:
            short = await _probe_reply(state)
        tokenize = await _probe_tokenize(state)
    usage = _usage(short or first)
    if usage == "none":
        state.warning("reports no usage: token counts will be estimates")
    return EndpointReport(
        role=name,
        endpoint=redact_url(client.endpoint),
        model=state.role.model,
        reachable=state.reachable,
        served=state.served,
        models=tuple(state.models),
        context=state.context,
        reasoning=_reasoning(short),
        first_token=first.first_or_end if first else None,
        speed=short.speed if short else None,
        usage=usage,
        tokenize=tokenize,
        findings=tuple(state.findings),
    )


async def _probe_models(state: _Probe) -> bool:
    """Request the models; return whether the probe can request replies."""
    try:
        state.models = await state.client.models()
    except EndpointError as error:
        if error.status is None:
            state.reachable = False
            state.error(f"unreachable: {error}")
        elif error.status in AUTH_ERROR_STATUS:
            state.error(_refusal(state.client, error))
        elif error.status in (404, 405):
            # Some gateways answer chat requests although they list no models.
            return True
        elif error.status == 503:
            state.error(f"not ready, it may still load its model: {error}")
        else:
            state.error(f"does not list its models: {error}")
        return False
    state.served = state.role.model in state.models
    if not state.served:
        others = ", ".join(state.models) or "no model"
        state.error(f"serves {others}, not {state.role.model}")
        return False
    state.context = state.models[state.role.model]
    return True


async def _probe_stream(state: _Probe) -> TimedReply | None:
    """Request a reply of one token, without the sampling settings of the role."""
    try:
        reply = await state.client.chat(MESSAGES, SamplingConfig(max_tokens=1, seed=None))
    except EndpointError as error:
        message = _refusal(state.client, error) if error.status in AUTH_ERROR_STATUS else str(error)
        state.error(f"no reply: {message}")
        return None
    state.served = True
    return reply


async def _probe_reply(state: _Probe) -> TimedReply | None:
    """Request a short reply with the sampling settings of the role."""
    short = state.role.sampling.with_max_tokens(SHORT_TOKENS)
    try:
        reply = await state.client.chat(MESSAGES, short)
    except EndpointError as error:
        state.error(f"refuses the sampling settings of the role: {error}")
        return None
    if not reply.transcript.streamed and state.role.stream:
        state.warning("does not stream: the tokens of cancelled replies remain unknown")
    return reply


async def _probe_tokenize(state: _Probe) -> bool:
    """Whether vLLM's `/tokenize` is supported; it also reports the context length."""
    counted = await state.client.tokenize(MESSAGES)
    if counted is None:
        return False
    if state.context is None:
        state.context = counted[1]
    return True


def _usage(reply: TimedReply | None) -> UsageSupport | None:
    if reply is None:
        return None
    if reply.continuous_usage:
        return "continuous"
    return "none" if reply.tokens is None else "final"


def _reasoning(reply: TimedReply | None) -> Reasoning | None:
    if reply is None:
        return None
    if reply.transcript.reasoning:
        return "separate"
    text = "".join(reply.transcript.content)
    thinking, answer = split_reasoning(text)
    # A short reply may end directly after the tag that starts its thinking.
    return "in the text" if thinking or (text.strip() and not answer) else None


def _refusal(client: TimedClient, error: EndpointError) -> str:
    if client.role.api_key_env is not None:
        return f"refuses the API key in {client.role.api_key_env} ({error})"
    if url_credentials(client.endpoint):
        return f"refuses the user and password of its URL ({error})"
    return f"requires an API key: set api_key_env to the name of its variable ({error})"
