"""Wait until a started server is healthy and serves its model."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

import aiohttp

from a2r.errors import ServingError
from a2r.inference.endpoint_api import parse_model_list
from a2r.serving.vllm.server_spec import KEY_VARIABLE, ServerSpec

REQUEST_TIMEOUT_SECONDS = 5.0
POLL_SECONDS = 0.5
AUTH_ERROR_STATUS = (401, 403)


async def wait_until_healthy(session: aiohttp.ClientSession, spec: ServerSpec) -> None:
    """Return once `/health` answers 200 and `/v1/models` lists the model.

    Raises:
        ServingError: the server refuses the API key, or serves another model.
    """
    while True:
        with suppress(aiohttp.ClientError, TimeoutError, json.JSONDecodeError):
            if await _is_healthy(session, spec):
                return
        await asyncio.sleep(POLL_SECONDS)


async def _is_healthy(session: aiohttp.ClientSession, spec: ServerSpec) -> bool:
    timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_SECONDS)
    headers = {"Authorization": f"Bearer {spec.key()}"} if spec.api_key_env else {}
    async with session.get(f"{spec.root}/health", headers=headers, timeout=timeout) as response:
        if response.status != 200:
            return False
    async with session.get(f"{spec.url}/models", headers=headers, timeout=timeout) as response:
        if response.status in AUTH_ERROR_STATUS:
            raise ServingError(f"{spec.label}: {_refusal(spec)}")
        if response.status != 200:
            return False
        served = parse_model_list(await response.json(content_type=None)) or {}
    if spec.model not in served:
        raise ServingError(
            f"{spec.label}: the server lists {', '.join(served) or 'no model'} instead"
        )
    return True


def _refusal(spec: ServerSpec) -> str:
    if spec.api_key_env is None:
        return (
            f"the server requires an API key because {KEY_VARIABLE} is set in the environment; set "
            f"{spec.roles[0]}.api_key_env={KEY_VARIABLE}"
        )
    return f"the server refuses the API key in {spec.api_key_env}"
