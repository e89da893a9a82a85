"""Asks one endpoint what it serves, how fast, and in which form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from a2r.config import RoleConfig, RoleName
from a2r.models.thinking import CLOSE, OPEN
from a2r.models.urls import without_secrets
from a2r.serving.findings import EndpointReport, Finding, Reasoning, Usage
from a2r.serving.health import REFUSED, model_names
from a2r.serving.wire import EndpointFault, Streamed, Wire

SHORT_TOKENS = 32
# Long enough for 32 tokens of any model, and something to think about for those that think.
PROMPT = "What is 17 * 24? Explain each step."
# Extra settings that bound a reply's length would fight with the few tokens that a probe wants.
LENGTHS = ("max_completion_tokens", "min_tokens")
OPTIONS: tuple[dict[str, bool], ...] = (
    {"include_usage": True, "continuous_usage_stats": True},
    {"include_usage": True},
    {},
)


@dataclass
class _Probe:
    """What is known of an endpoint so far."""

    role: RoleConfig
    wire: Wire
    seconds: float
    reachable: bool = True
    served: bool | None = None
    models: list[str] = field(default_factory=list)
    context: int | None = None
    usage: Usage | None = None
    options: dict[str, bool] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def error(self, text: str) -> None:
        self.findings.append(Finding(kind="error", text=text))

    def warning(self, text: str) -> None:
        self.findings.append(Finding(kind="warning", text=text))


async def probe(name: RoleName, role: RoleConfig, wire: Wire, seconds: float) -> EndpointReport:
    """Ask an endpoint for its models, two short replies (`seconds` each at most), and more."""
    about = _Probe(role=role, wire=wire, seconds=seconds)
    first = short = None
    tokenize = None
    if await _serves(about):
        first = await _first_token(about)
        if first is not None:
            short = await _short_reply(about)
        tokenize = await _tokenize(about)
    return EndpointReport(
        role=name,
        endpoint=without_secrets(wire.base_url),
        model=role.model,
        reachable=about.reachable,
        served=about.served,
        models=tuple(about.models),
        context=about.context,
        reasoning=_reasoning(short),
        first_token=first.first_or_end if first else None,
        speed=short.speed if short else None,
        usage=about.usage,
        tokenize=tokenize,
        findings=tuple(about.findings),
    )


async def _serves(about: _Probe) -> bool:
    """Whether it is worth while to ask for replies."""
    try:
        listing = await about.wire.ask("/models")
    except EndpointFault as fault:
        if fault.status is None:
            about.reachable = False
            about.error(f"cannot be reached: {fault}")
        elif fault.status in REFUSED:
            about.error(_refusal(about.role, fault))
        elif fault.status in (404, 405):
            # Some gateways list no models and answer all the same.
            return True
        elif fault.status == 503:
            about.error(f"is not ready, it may still load its model: {fault}")
        else:
            about.error(f"does not list its models: {fault}")
        return False
    about.models = model_names(listing)
    about.served = about.role.model in about.models
    if not about.served:
        others = ", ".join(about.models) or "no model"
        about.error(f"serves {others}, not {about.role.model}")
        return False
    about.context = _context(listing, about.role.model)
    return True


async def _first_token(about: _Probe) -> Streamed | None:
    """A reply of one token, in the richest form that the endpoint knows."""
    message = ""
    for options in OPTIONS:
        body = _body(about.role, 1) | ({"stream_options": options} if options else {})
        try:
            reply = await about.wire.chat(body, about.seconds)
        except EndpointFault as fault:
            message = _refusal(about.role, fault) if fault.status in REFUSED else str(fault)
            # A refused request may be one of which a simpler form is understood.
            if fault.status in (400, 422):
                continue
            break
        about.served, about.options = True, options
        about.usage = _usage(reply)
        if about.usage == "none":
            about.warning("does not tell the tokens spent: they will be estimates")
        return reply
    about.error(f"gives no reply: {message}")
    return None


async def _short_reply(about: _Probe) -> Streamed | None:
    """A reply of some tokens with the role's own sampling settings, which it may refuse."""
    sampling = about.role.sampling
    own = {"temperature": sampling.temperature, "top_p": sampling.top_p, "seed": sampling.seed}
    extra = {key: value for key, value in sampling.extra_body.items() if key not in LENGTHS}
    body = {key: value for key, value in own.items() if value is not None} | extra
    body |= _body(about.role, SHORT_TOKENS)
    if about.options:
        body["stream_options"] = about.options
    try:
        reply = await about.wire.chat(body, about.seconds)
    except EndpointFault as fault:
        about.error(f"does not take the role's sampling: {fault}")
        return None
    if not reply.streamed and about.role.stream:
        about.warning("does not stream: the tokens of a reply that is cut off stay unknown")
    return reply


async def _tokenize(about: _Probe) -> bool:
    """Whether vLLM's `/tokenize` is there; it tells the context, too."""
    try:
        told = await about.wire.ask("/tokenize", {"model": about.role.model, "prompt": PROMPT})
    except EndpointFault:
        return False
    if not isinstance(told, Mapping) or not isinstance(told.get("count"), int):
        return False
    limit = told.get("max_model_len")
    if about.context is None and isinstance(limit, int):
        about.context = limit
    return True


def _body(role: RoleConfig, tokens: int) -> dict[str, Any]:
    message = {"role": "user", "content": PROMPT}
    return {"model": role.model, "messages": [message], "max_tokens": tokens, "stream": True}


def _context(listing: object, model: str) -> int | None:
    data = listing.get("data") if isinstance(listing, Mapping) else None
    for entry in data if isinstance(data, list) else []:
        if isinstance(entry, Mapping) and entry.get("id") == model:
            limit = entry.get("max_model_len")
            return limit if isinstance(limit, int) else None
    return None


def _usage(reply: Streamed) -> Usage:
    if reply.counted_along:
        return "continuous"
    return "none" if reply.tokens is None else "final"


def _reasoning(reply: Streamed | None) -> Reasoning | None:
    if reply is None:
        return None
    if reply.thinking:
        return "separate"
    in_text = reply.text.lstrip().startswith(OPEN) or CLOSE in reply.text
    return "in the text" if in_text else None


def _refusal(role: RoleConfig, fault: EndpointFault) -> str:
    if role.api_key_env is None:
        return f"asks for a key, which api_key_env would name ({fault})"
    return f"refuses the key in {role.api_key_env} ({fault})"
