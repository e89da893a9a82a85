"""The readiness of the server: probes of the primary configs' endpoints, with a short cache."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from a2r.errors import A2RError
from a2r.interfaces.http.model_registry import ModelRegistry
from a2r.result import ROLES, Role
from a2r.workflow.workflow import Workflow

CACHE_SECONDS = 2.0
OK = "ok"
Findings = Mapping[str, Mapping[str, str]]


@dataclass
class Readiness:
    """Probes the endpoints of the primary configs; findings are cached for `CACHE_SECONDS`."""

    registry: ModelRegistry
    _cached: Findings = field(default_factory=dict)
    _checked_at: float = float("-inf")
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def findings(self) -> Findings:
        """By config and role: `ok`, or the error."""
        async with self._lock:
            if time.monotonic() - self._checked_at > CACHE_SECONDS:
                findings = await asyncio.gather(*map(self._probe_config, self.registry.primary))
                self._cached = dict(zip(self.registry.primary, findings, strict=True))
                self._checked_at = time.monotonic()
            return self._cached

    async def _probe_config(self, name: str) -> Mapping[str, str]:
        workflow = self.registry.workflow(name)
        roles = [role for role in ROLES if workflow.loaded.config.role(role) is not None]
        findings = await asyncio.gather(*(_probe_role(workflow, role) for role in roles))
        return dict(zip(roles, findings, strict=True))


def all_ok(findings: Findings) -> bool:
    """Whether all probes succeeded."""
    return all(finding == OK for roles in findings.values() for finding in roles.values())


async def _probe_role(workflow: Workflow, role: Role) -> str:
    try:
        await workflow.models.probe(role)
    except A2RError as error:
        return str(error)
    return OK
