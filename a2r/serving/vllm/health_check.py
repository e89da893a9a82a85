"""Whether a server that was started answers, and serves what it should."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

import aiohttp

from a2r.errors import ServingError
from a2r.inference.endpoint_api import parse_model_list
from a2r.serving.vllm.server_spec import KEY_VARIABLE, ServerSpec

REQUEST_SECONDS = 5.0
PAUSE_SECONDS = 0.5
REFUSED_STATUS = (401, 403)


async def wait_until_healthy(session: aiohttp.ClientSession, spec: ServerSpec) -> None:
    """Return once a server's `/health` says 200 and its `/v1/models` names the model.

    Raises:
        ServingError: it answers, but refuses the key or serves another model.
    """
    while True:
        with suppress(aiohttp.ClientError, TimeoutError, json.JSONDecodeError):
            if await _healthy(session, spec):
                return
        await asyncio.sleep(PAUSE_SECONDS)


async def _healthy(session: aiohttp.ClientSession, spec: ServerSpec) -> bool:
    timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
    headers = {"Authorization": f"Bearer {spec.key()}"} if spec.key_from else {}
    async with session.get(f"{spec.root}/health", headers=headers, timeout=timeout) as response:
        if response.status != 200:
            return False
    async with session.get(f"{spec.url}/models", headers=headers, timeout=timeout) as response:
        if response.status in REFUSED_STATUS:
            raise ServingError(f"{spec.label}: {_refusal(spec)}")
        if response.status != 200:
            return False
        served = parse_model_list(await response.json(content_type=None)) or {}
    if spec.model not in served:
        raise ServingError(f"{spec.label}: serves {', '.join(served) or 'no model'} instead")
    return True


def _refusal(spec: ServerSpec) -> str:
    if spec.key_from is None:
        return (
            f"it asks for a key, as {KEY_VARIABLE} in the environment makes it: set "
            f"{spec.roles[0]}.api_key_env={KEY_VARIABLE}"
        )
    return f"it refuses the key in {spec.key_from}"
