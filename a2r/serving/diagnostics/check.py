"""Whether a config would work: every endpoint of it asked, and what does not fit."""

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

# Room for a question, and for the answer part of one reference.
QUESTION_TOKENS = 512
REFERENCE_TOKENS = 768
# A server whose model is still cold takes long for its first reply.
REPLY_SECONDS = 120.0


async def check_config(loaded: LoadedConfig) -> list[EndpointReport]:
    """Ask every endpoint of every role, all at once, but one endpoint's roles one by one.

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
        report = await asyncio.to_thread(_embedded, config, name, role)
    else:
        wire = TimedClient(
            clients=clients,
            endpoint=endpoint,
            role=role,
            reply_seconds=min(config.deadline.call, REPLY_SECONDS),
            idle_timeout=config.deadline.idle,
        )
        # Two roles on one endpoint would measure each other.
        async with locks.setdefault(endpoint, asyncio.Lock()):
            report = await probe(name, wire)
    findings = [*report.findings, *_context(config, name, role, report.context)]
    findings += _vllm_finding(role, endpoint, report)
    return report.with_findings(findings)


def _context(config: Config, name: Role, role: RoleConfig, context: int | None) -> list[Finding]:
    """Whether a reply of `max_tokens` and its prompt have room in a context."""
    wanted = role.sampling.max_tokens
    if context is None or wanted is None:
        return []
    left = context - wanted
    if left <= 0:
        text = f"max_tokens {wanted} leaves no room for a prompt in its context of {context} tokens"
        return [Finding(kind="error", text=text)]
    needed, why = QUESTION_TOKENS, "a question"
    if name == "synthesizer":
        references = sum(config.explorer.wave_sizes)
        needed += references * REFERENCE_TOKENS
        why = f"a question and {references} references"
    if left >= needed:
        return []
    text = (
        f"its context of {context} tokens leaves {left} for the prompt beside max_tokens {wanted}; "
        f"{why} may need about {needed}"
    )
    return [Finding(kind="warning", text=text)]


def _vllm_finding(role: RoleConfig, endpoint: str, report: EndpointReport) -> list[Finding]:
    findings = []
    if endpoint == role.endpoints[0]:
        findings += [
            Finding(kind="warning", text=f"a2r up starts {url}, which endpoints does not name")
            for url in unlisted_servers(role)
        ]
    if role.vllm and role.vllm.reasoning_parser and report.reasoning == "in the text":
        findings.append(
            Finding(
                kind="warning",
                text=f"vllm.reasoning_parser is {role.vllm.reasoning_parser}, but the thinking "
                "comes in the text (a2r takes it out there, too)",
            )
        )
    return findings


def _embedded(config: Config, name: Role, role: RoleConfig) -> EndpointReport:
    """What can be said of the embedded engine without starting it or fetching anything."""
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
            text = f"the model's file is not there yet: 'a2r models pull {role.model}' fetches it"
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
    known = resolve_model(model)
    if isinstance(known, Path):
        return True
    store = ModelStore(folder=default_model_folder())
    if isinstance(known, CatalogModel):
        return store.present(known)
    return (store.folder / "models" / known.repo / known.revision / known.file).is_file()
