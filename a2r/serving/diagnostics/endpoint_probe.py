"""Asks one endpoint what it serves, how fast, and in which form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from a2r._internal.reasoning_parser import CLOSE_TAG, OPEN_TAG
from a2r._internal.urls import redact_url, url_credentials
from a2r.config import RoleConfig
from a2r.config.roles import SamplingConfig
from a2r.inference.types import ChatMessage
from a2r.result import Role
from a2r.serving.diagnostics.report import EndpointReport, Finding, Reasoning, UsageSupport
from a2r.serving.diagnostics.timed_client import EndpointError, TimedClient, TimedReply
from a2r.serving.vllm.health_check import REFUSED_STATUS

SHORT_TOKENS = 32
# Long enough for 32 tokens of any model, and something to think about for those that think.
MESSAGES = (ChatMessage(role="user", content="What is 17 * 24? Explain each step."),)
# Extra settings that bound a reply's length would fight with the few tokens that a probe wants.
LENGTHS = ("max_completion_tokens", "max_tokens", "min_tokens")


@dataclass
class _Probe:
    """What is known of an endpoint so far; `models` are those it lists, with their contexts."""

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


async def probe(name: Role, wire: TimedClient) -> EndpointReport:
    """Ask an endpoint for its models, two short replies, and the length of a prompt."""
    about = _Probe(role=wire.role, client=wire)
    first = short = None
    tokenize = None
    if await _probe_models(about):
        first = await _probe_stream(about)
        if first is not None:
            short = await _probe_reply(about)
        tokenize = await _tokenize(about)
    usage = _usage(short or first)
    if usage == "none":
        about.warning("does not tell the tokens spent: they will be estimates")
    return EndpointReport(
        role=name,
        endpoint=redact_url(wire.endpoint),
        model=about.role.model,
        reachable=about.reachable,
        served=about.served,
        models=tuple(about.models),
        context=about.context,
        reasoning=_reasoning(short),
        first_token=first.first_or_end if first else None,
        speed=short.speed if short else None,
        usage=usage,
        tokenize=tokenize,
        findings=tuple(about.findings),
    )


async def _probe_models(about: _Probe) -> bool:
    """Whether it is worth while to ask for replies."""
    try:
        about.models = await about.client.models()
    except EndpointError as fault:
        if fault.status is None:
            about.reachable = False
            about.error(f"cannot be reached: {fault}")
        elif fault.status in REFUSED_STATUS:
            about.error(_refusal(about.client, fault))
        elif fault.status in (404, 405):
            # Some gateways list no models and answer all the same.
            return True
        elif fault.status == 503:
            about.error(f"is not ready, it may still load its model: {fault}")
        else:
            about.error(f"does not list its models: {fault}")
        return False
    about.served = about.role.model in about.models
    if not about.served:
        others = ", ".join(about.models) or "no model"
        about.error(f"serves {others}, not {about.role.model}")
        return False
    about.context = about.models[about.role.model]
    return True


async def _probe_stream(about: _Probe) -> TimedReply | None:
    """A reply of one token, without the role's own sampling settings."""
    try:
        reply = await about.client.chat(MESSAGES, SamplingConfig(max_tokens=1, seed=None))
    except EndpointError as fault:
        message = _refusal(about.client, fault) if fault.status in REFUSED_STATUS else str(fault)
        about.error(f"gives no reply: {message}")
        return None
    about.served = True
    return reply


async def _probe_reply(about: _Probe) -> TimedReply | None:
    """A reply of some tokens with the role's own sampling settings, which it may refuse."""
    own = about.role.sampling
    extra = {key: value for key, value in own.extra_body.items() if key not in LENGTHS}
    short = own.model_copy(update={"max_tokens": SHORT_TOKENS, "extra_body": extra})
    try:
        reply = await about.client.chat(MESSAGES, short)
    except EndpointError as fault:
        about.error(f"does not take the role's sampling: {fault}")
        return None
    if not reply.transcript.streamed and about.role.stream:
        about.warning("does not stream: the tokens of a reply that is cut off stay unknown")
    return reply


async def _tokenize(about: _Probe) -> bool:
    """Whether vLLM's `/tokenize` is there; it tells the context, too."""
    counted = await about.client.tokenized(MESSAGES)
    if counted is None:
        return False
    if about.context is None:
        about.context = counted[1]
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
    return "in the text" if text.lstrip().startswith(OPEN_TAG) or CLOSE_TAG in text else None


def _refusal(wire: TimedClient, fault: EndpointError) -> str:
    if wire.role.api_key_env is not None:
        return f"refuses the key in {wire.role.api_key_env} ({fault})"
    if url_credentials(wire.endpoint):
        return f"refuses the user and password of its URL ({fault})"
    return f"asks for a key, which api_key_env would name ({fault})"
