"""The endpoints of a role as one group, among which its calls are spread."""

from __future__ import annotations

import asyncio

from a2r._internal.urls import redact_url
from a2r.config import EMBEDDED, RoleConfig
from a2r.errors import UnreachableError
from a2r.inference.endpoint_api import probe
from a2r.inference.routing.load_balancer import EndpointGroup, Lease
from a2r.inference.transport.http_sessions import HttpSessions
from a2r.inference.transport.loop_clients import headers
from a2r.result import Role


def endpoint_group(role: RoleConfig, *, patience: float) -> EndpointGroup:
    """The group of a role; `patience` is for how many seconds a call waits for it."""
    names = tuple(
        f"{EMBEDDED}:{role.model}" if endpoint == EMBEDDED else endpoint
        for endpoint in role.endpoints
    )
    return EndpointGroup(
        names=names,
        weights=tuple(role.weights or [1.0] * len(names)),
        max_concurrency=role.concurrency,
        wait_timeout=patience,
        max_attempts=role.retries + 1,
    )


def display_url(lease: Lease) -> str:
    """The endpoint of a place, as a config calls it."""
    return EMBEDDED if lease.endpoint.name.startswith(EMBEDDED) else lease.endpoint.name


async def check_reachable(name: Role, role: RoleConfig, http: HttpSessions) -> None:
    """Ask each endpoint of a role for its models; one that answers at all is enough.

    Raises:
        UnreachableError: none of them can be reached; the message names role and endpoints.
    """
    asked = [probe(http, url, headers(role, url)) for url in role.endpoints]
    faults = await asyncio.gather(*asked)
    if all(fault is not None and fault.status is None for fault in faults):
        tried = "; ".join(
            f"{redact_url(url)}: {fault.message}"
            for url, fault in zip(role.endpoints, faults, strict=True)
            if fault is not None
        )
        raise UnreachableError(f"{name}: no endpoint can be reached ({tried}); is the server up?")
