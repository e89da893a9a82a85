"""Web pages of the origins that the operator names use the server from a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from a2r.interfaces.http.api_keys import add_key
from a2r.interfaces.http.model_registry import ModelRegistry
from a2r.interfaces.http.settings import ServerSettings
from a2r.interfaces.openai_server.app import create_app
from tests.support.fake_openai import config_for
from tests.support.operating import error_fields

PAGE = "https://app.example"
OTHER = "https://other.example"
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization, content-type, x-stainless-lang",
}


async def send(
    method: str, path: str, origin: str, headers: dict[str, str] | None = None, **settings: Any
) -> httpx.Response:
    registry = ModelRegistry.from_configs([config_for("http://127.0.0.1:9/v1")])
    app = create_app(registry, ServerSettings(**settings))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.request(method, path, headers={"Origin": origin, **(headers or {})})


async def test_a_preflight_request_needs_no_key(tmp_path: Path) -> None:
    keys = tmp_path / "keys.yaml"
    add_key(keys, "page")
    path = "/v1/chat/completions"
    response = await send("OPTIONS", path, PAGE, PREFLIGHT, keys=keys, cors_origins=(PAGE,))
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == PAGE
    assert "POST" in response.headers["access-control-allow-methods"]
    allowed = response.headers["access-control-allow-headers"]
    assert all(name in allowed for name in ("authorization", "x-stainless-lang"))


async def test_every_reply_has_the_headers_also_an_error(tmp_path: Path) -> None:
    keys = tmp_path / "keys.yaml"
    key = add_key(keys, "page")
    authorized = {"Authorization": f"Bearer {key}"}
    for headers, status in (({}, 401), (authorized, 200)):
        reply = await send("GET", "/v1/models", PAGE, headers, keys=keys, cors_origins=(PAGE,))
        assert reply.status_code == status
        assert reply.headers["access-control-allow-origin"] == PAGE
        assert "X-Request-Id" in reply.headers["access-control-expose-headers"]


async def test_other_origins_are_refused_with_the_option_that_allows_them() -> None:
    allowed = await send("GET", "/v1/models", PAGE, cors_origins=(PAGE,))
    refused = await send("GET", "/v1/models", OTHER, cors_origins=(PAGE,))
    preflight = await send("OPTIONS", "/v1/models", OTHER, PREFLIGHT, cors_origins=(PAGE,))
    assert allowed.status_code == 200
    assert refused.status_code == preflight.status_code == 403
    assert "--cors-origin" in error_fields(refused)["message"]
    assert "access-control-allow-origin" not in refused.headers


async def test_by_default_no_origin_is_allowed() -> None:
    response = await send("GET", "/v1/models", PAGE)
    assert response.status_code == 403
    assert "access-control-allow-origin" not in response.headers


async def test_all_origins() -> None:
    response = await send("GET", "/v1/models", OTHER, cors_origins=("*",))
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("origin", ["app.example", "https://app.example/page", "https://", ""])
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(ValidationError, match="is no origin"):
        ServerSettings(cors_origins=(origin,))


def test_an_origin_is_written_as_browsers_send_it() -> None:
    assert ServerSettings(cors_origins=("HTTPS://App.example/",)).cors_origins == (PAGE,)
