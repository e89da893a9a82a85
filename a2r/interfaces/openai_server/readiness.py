"""Whether the server is ready: its main configs' endpoints, asked at most every few seconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from a2r.config import RoleName
from a2r.errors import A2RError
from a2r.interfaces.http.model_registry import Offer
from a2r.workflow.workflow import Flow

FRESH_SECONDS = 2.0
ROLES: tuple[RoleName, ...] = ("explorer", "synthesizer")
OK = "ok"
Findings = Mapping[str, Mapping[str, str]]


@dataclass
class Readiness:
    """Asks the endpoints of the main configs; what was found holds for two seconds."""

    offer: Offer
    _found: Findings = field(default_factory=dict)
    _asked: float = float("-inf")
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def findings(self) -> Findings:
        """By config and role: `ok`, or why not."""
        async with self._lock:
            if time.monotonic() - self._asked > FRESH_SECONDS:
                found = await asyncio.gather(*map(self._of_config, self.offer.main))
                self._found = dict(zip(self.offer.main, found, strict=True))
                self._asked = time.monotonic()
            return self._found

    async def _of_config(self, name: str) -> Mapping[str, str]:
        flow = self.offer.flow(name)
        roles = [role for role in ROLES if flow.loaded.config.role(role) is not None]
        found = await asyncio.gather(*(_probed(flow, role) for role in roles))
        return dict(zip(roles, found, strict=True))


def all_ok(findings: Findings) -> bool:
    """Whether everything answers."""
    return all(word == OK for roles in findings.values() for word in roles.values())


async def _probed(flow: Flow, role: RoleName) -> str:
    try:
        await flow.models.probe(role)
    except A2RError as error:
        return str(error)
    return OK
