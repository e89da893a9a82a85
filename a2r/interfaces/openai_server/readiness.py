"""Whether the server is ready: its main configs' endpoints, asked at most every few seconds."""

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
    """Asks the endpoints of the main configs; what was found holds for two seconds."""

    registry: ModelRegistry
    _cached: Findings = field(default_factory=dict)
    _checked_at: float = float("-inf")
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def findings(self) -> Findings:
        """By config and role: `ok`, or why not."""
        async with self._lock:
            if time.monotonic() - self._checked_at > CACHE_SECONDS:
                found = await asyncio.gather(*map(self._probe_config, self.registry.primary))
                self._cached = dict(zip(self.registry.primary, found, strict=True))
                self._checked_at = time.monotonic()
            return self._cached

    async def _probe_config(self, name: str) -> Mapping[str, str]:
        flow = self.registry.workflow(name)
        roles = [role for role in ROLES if flow.loaded.config.role(role) is not None]
        found = await asyncio.gather(*(_probe_role(flow, role) for role in roles))
        return dict(zip(roles, found, strict=True))


def all_ok(findings: Findings) -> bool:
    """Whether everything answers."""
    return all(word == OK for roles in findings.values() for word in roles.values())


async def _probe_role(flow: Workflow, role: Role) -> str:
    try:
        await flow.models.probe(role)
    except A2RError as error:
        return str(error)
    return OK
