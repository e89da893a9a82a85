"""Check a config: probe all of its endpoints and report problems."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from pathlib import Path

from a2r.config import EMBEDDED, Config, LoadedConfig, RoleConfig
from a2r.errors import ConfigError
from a2r.inference.transport.credentials import api_key
from a2r.inference.transport.loop_clients import LoopClients
from a2r.result import ROLES, Role
from a2r.serving.diagnostics.endpoint_probe import probe
from a2r.serving.diagnostics.report import EndpointReport, Finding
from a2r.serving.diagnostics.timed_client import TimedClient
from a2r.serving.embedded.model_catalog import CatalogModel
from a2r.serving.embedded.model_names import resolve_model
from a2r.serving.embedded.model_store import ModelStore, default_model_folder
from a2r.serving.vllm.server_spec import unlisted_servers

# Estimated tokens of a question, and of one reference.
QUESTION_TOKENS = 512
REFERENCE_TOKENS = 768
# The first reply of a server can be slow.
REPLY_TIMEOUT_SECONDS = 120.0


async def check_config(loaded: LoadedConfig) -> list[EndpointReport]:
    """Probe all endpoints of all roles concurrently, but the roles of one endpoint in turn.

    Raises:
        ConfigError: the variable of an API key is not set.
    """
    config = loaded.config
    roles = [(name, role) for name in ROLES if (role := config.role(name))]
    for _, role in roles:
        api_key(role)
    locks: dict[str, asyncio.Lock] = {}
    clients = LoopClients()
    return await asyncio.gather(
        *(
            _check_endpoint(config, name, role, endpoint, clients, locks)
            for name, role in roles
            for endpoint in role.endpoints
        )
    )


async def _check_endpoint(
    config: Config,
    name: Role,
    role: RoleConfig,
    endpoint: str,
    clients: LoopClients,
    locks: dict[str, asyncio.Lock],
) -> EndpointReport:
    if endpoint == EMBEDDED:
        report = await asyncio.to_thread(_check_embedded, config, name, role)
    else:
        client = TimedClient(
            clients=clients,
            endpoint=endpoint,
            role=role,
            reply_seconds=min(config.deadline.call, REPLY_TIMEOUT_SECONDS),
            idle_timeout=config.deadline.idle,
        )
        # Concurrent probes of one endpoint would slow each other down.
        async with locks.setdefault(endpoint, asyncio.Lock()):
            report = await probe(name, client)
    findings = [*report.findings, *_check_context(config, name, role, report.context)]
    findings += _check_vllm(role, endpoint, report)
    return report.with_findings(findings)


def _check_context(
    config: Config, name: Role, role: RoleConfig, context: int | None
) -> list[Finding]:
    """Check that a prompt and a reply of `max_tokens` fit into the context."""
    max_tokens = role.sampling.max_tokens
    if context is None or max_tokens is None:
        return []
    available = context - max_tokens
    if available <= 0:
        text = f"max_tokens {max_tokens} leaves no room for a prompt: context is {context} tokens"
        return [Finding(kind="error", text=text)]
    needed, content = QUESTION_TOKENS, "a question"
    if name == "synthesizer":
        references = sum(config.explorer.wave_sizes)
        needed += references * REFERENCE_TOKENS
        content = f"a question and {references} references"
    if available >= needed:
        return []
    text = (
        f"max_tokens {max_tokens} leaves {available} of {context} context tokens for the prompt; "
        f"{content} may need about {needed}"
    )
    return [Finding(kind="warning", text=text)]


def _check_vllm(role: RoleConfig, endpoint: str, report: EndpointReport) -> list[Finding]:
    findings = []
    if endpoint == role.endpoints[0]:
        findings += [
            Finding(kind="warning", text=f"a2r up starts {url}, which is not in endpoints")
            for url in unlisted_servers(role)
        ]
    if role.vllm and role.vllm.reasoning_parser and report.reasoning == "in the text":
        findings.append(
            Finding(
                kind="warning",
                text=f"vllm.reasoning_parser is {role.vllm.reasoning_parser}, but the reasoning is "
                "in the text (a2r removes it there)",
            )
        )
    return findings


def _check_embedded(config: Config, name: Role, role: RoleConfig) -> EndpointReport:
    """Check the embedded engine without starting it or downloading a model."""
    findings = []
    installed = find_spec("xllamacpp") is not None
    if not installed:
        text = "the embedded engine is not installed: pip install 'a2r-reasoning[local]'"
        findings.append(Finding(kind="error", text=text))
    present = False
    try:
        present = _is_present(role.model)
    except ConfigError as error:
        findings.append(Finding(kind="error", text=str(error)))
    else:
        if not present:
            text = f"the model file is missing; download it with 'a2r models pull {role.model}'"
            findings.append(Finding(kind="error", text=text))
    return EndpointReport(
        role=name,
        endpoint=EMBEDDED,
        model=role.model,
        reachable=installed,
        served=present,
        context=config.engine.context,
        findings=tuple(findings),
    )


def _is_present(model: str) -> bool:
    resolved = resolve_model(model)
    if isinstance(resolved, Path):
        return True
    store = ModelStore(folder=default_model_folder())
    if isinstance(resolved, CatalogModel):
        return store.is_present(resolved)
    return store.hub_path(resolved).is_file()
