"""The endpoints of a role as one group, which its calls are distributed over."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cached_property, lru_cache

from a2r._internal.urls import redact_url
from a2r.config import EMBEDDED, RoleConfig
from a2r.errors import UnreachableError
from a2r.inference.endpoint_api import probe
from a2r.inference.transport.http_sessions import HttpSessions
from a2r.inference.transport.loop_clients import headers
from a2r.result import Role


@dataclass(frozen=True, kw_only=True)
class EndpointGroup:
    """The endpoints of a role, with their weights and limits.

    `max_concurrency` is per endpoint, for the calls of this role. `wait_timeout` is how many
    seconds a call waits while no endpoint is usable, `max_attempts` how often an endpoint that
    never responded is tried.
    """

    role: Role
    names: tuple[str, ...]
    weights: tuple[float, ...]
    max_concurrency: int
    wait_timeout: float
    max_attempts: int

    def __hash__(self) -> int:
        """The hash of all fields, computed once: a call needs it several times."""
        return self._hash

    @cached_property
    def _hash(self) -> int:
        limits = (self.max_concurrency, self.wait_timeout, self.max_attempts)
        return hash((self.role, self.names, self.weights, limits))


def endpoint_group(name: Role, role: RoleConfig, *, wait_timeout: float) -> EndpointGroup:
    """Return the group of a role; `wait_timeout` is in seconds."""
    names = tuple(
        f"{EMBEDDED}:{role.model}" if endpoint == EMBEDDED else endpoint
        for endpoint in role.endpoints
    )
    weights = tuple(role.weights or [1.0] * len(names))
    return _group(name, names, weights, role.concurrency, wait_timeout, role.retries + 1)


@lru_cache(maxsize=1024)
def _group(
    role: Role,
    names: tuple[str, ...],
    weights: tuple[float, ...],
    max_concurrency: int,
    wait_timeout: float,
    max_attempts: int,
) -> EndpointGroup:
    """The group with these fields; equal groups are one object, which a queue finds faster."""
    return EndpointGroup(
        role=role,
        names=names,
        weights=weights,
        max_concurrency=max_concurrency,
        wait_timeout=wait_timeout,
        max_attempts=max_attempts,
    )


def display_url(name: str) -> str:
    """Return an endpoint of a group as the config names it."""
    return EMBEDDED if name.startswith(EMBEDDED) else name


async def check_reachable(name: Role, role: RoleConfig, http: HttpSessions) -> None:
    """Probe each endpoint of a role; one that responds is enough.

    Raises:
        UnreachableError: no endpoint responds; the message names the role and the endpoints.
    """
    probes = [probe(http, url, headers(role, url)) for url in role.endpoints]
    errors = await asyncio.gather(*probes)
    if all(error is not None and error.status is None for error in errors):
        reasons = "; ".join(
            f"{redact_url(url)}: {error.message}"
            for url, error in zip(role.endpoints, errors, strict=True)
            if error is not None
        )
        raise UnreachableError(
            f"{name}: no endpoint can be reached ({reasons}); is the server running?"
        )
