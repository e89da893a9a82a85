"""A server without keys rejects other hosts and foreign web pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from a2r.interfaces.http.api_keys import add_key
from a2r.interfaces.http.model_registry import ModelRegistry
from a2r.interfaces.http.settings import ServerSettings
from a2r.interfaces.openai_server.app import create_app
from tests.support.fake_openai import config_for
from tests.support.operating import error_fields

PATHS = ("/v1/models", "/metrics", "/ready", "/openapi.json")
LOCAL_HOSTS = (
    "127.0.0.1:8000",
    "localhost",
    "[::1]:8000",
    "127.8.9.1",
    "box:8000",
    "box.local",
    "host.docker.internal:8000",
    "",
)
ODD = ("chrome-extension://abc", "vscode-webview://x", "http://2130706433", "http://0x7f000001")
FOREIGN = (
    "evil.example:8000",
    "127.0.0.1.evil.example",
    "192.0.2.7",
    "[2001:db8::1]",
    "[",
    "a.b",
    "local.example",
    ".",
)


async def status(
    path: str, headers: dict[str, str], **settings: Any
) -> tuple[int, dict[str, Any] | None]:
    registry = ModelRegistry.from_configs([config_for("http://127.0.0.1:9/v1")])
    app = create_app(registry, ServerSettings(**settings))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        response = await client.get(path, headers=headers)
    return response.status_code, None if response.is_success else error_fields(response)


@pytest.mark.parametrize("host", LOCAL_HOSTS)
async def test_hosts_of_this_machine(host: str) -> None:
    assert await status("/v1/models", {"Host": host}) == (200, None)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("host", FOREIGN)
async def test_other_hosts(host: str, path: str) -> None:
    actual, error = await status(path, {"Host": host})
    assert actual == 421
    assert error is not None
    assert error["code"] == "wrong_host"
    assert "--no-auth" in error["message"]


@pytest.mark.parametrize("host", [host for host in LOCAL_HOSTS if host])
async def test_pages_of_this_machine(host: str) -> None:
    assert await status("/v1/models", {"Origin": f"http://{host}"}) == (200, None)


@pytest.mark.parametrize(
    "origin", [*(f"https://{host}" for host in FOREIGN), "null", "file://", *ODD]
)
async def test_other_pages(origin: str) -> None:
    actual, error = await status("/v1/models", {"Origin": origin})
    assert actual == 403
    assert error is not None
    assert error["code"] == "wrong_origin"


async def test_every_host_is_allowed_if_configured(tmp_path: Path) -> None:
    headers = {"Host": "a2r.example", "Origin": "https://evil.example"}
    assert await status("/v1/models", headers, no_auth=True) == (200, None)
    keys = tmp_path / "keys.yaml"
    key = add_key(keys, "alice")
    authorized = headers | {"Authorization": f"Bearer {key}"}
    assert await status("/v1/models", authorized, keys=keys) == (200, None)
