"""API keys: created once, stored as hashes, reloaded when their file changes, and required."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from typer.testing import CliRunner

from a2r.cli.app import app as cli
from a2r.errors import ConfigError
from a2r.interfaces.http.api_keys import ApiKeyStore, add_key
from a2r.interfaces.http.model_registry import ModelRegistry
from a2r.interfaces.http.settings import ServerSettings
from a2r.interfaces.openai_server.app import create_app
from tests.support.fake_openai import config_for
from tests.support.operating import COMPLETIONS, error_fields, request_body

NOWHERE = "http://127.0.0.1:9/v1"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "keys.yaml"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(config_for(NOWHERE)), "utf-8")
    return path


def make_client(config: Path, **settings: Any) -> httpx.AsyncClient:
    served = create_app(ModelRegistry.from_configs([config]), ServerSettings(**settings))
    transport = httpx.ASGITransport(app=served, raise_app_exceptions=True)
    return httpx.AsyncClient(transport=transport, base_url="http://testserver")


def read_keys(keys: Path) -> dict[str, str]:
    stored: dict[str, str] = yaml.safe_load(keys.read_text())
    return stored


def replace_file(keys: Path, content: str | bytes | None) -> None:
    keys.unlink(missing_ok=True)
    if content is not None:
        keys.write_bytes(content if isinstance(content, bytes) else content.encode())


async def status_with(client: httpx.AsyncClient, key: str) -> int:
    return (await client.get("/v1/models", headers={"Authorization": f"Bearer {key}"})).status_code


def test_a_new_key_is_printed_once_and_only_its_hash_is_stored(keys: Path) -> None:
    result = CliRunner().invoke(cli, ["keys", "new", "alice", "--keys", str(keys)])
    assert result.exit_code == 0
    key = result.stdout.removesuffix("\n")
    assert key.startswith("a2r-")
    assert len(key) > 40
    text = keys.read_text()
    assert key not in text
    assert yaml.safe_load(text) == {"alice": f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"}
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    assert list(keys.parent.iterdir()) == [keys]


def test_new_keys_are_appended(keys: Path) -> None:
    made = {name: add_key(keys, name) for name in ("alice", "bob", "c.d-e_1")}
    store = ApiKeyStore(keys)
    store.load()
    assert {name: store.lookup(key) for name, key in made.items()} == {name: name for name in made}
    assert store.lookup("a2r-unknown") is None
    with pytest.raises(ConfigError, match="there is a key 'bob' already"):
        add_key(keys, "bob")


@pytest.mark.parametrize("name", ["", "a b", "a\n", "a:b", "x" * 65, "é", "../x", "{}"])
def test_an_invalid_name(keys: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="use up to 64 letters, digits"):
        add_key(keys, name)
    assert not keys.exists()


def test_a_leftover_temporary_file_is_private(keys: Path) -> None:
    part = keys.with_name("keys.yaml.part")
    part.touch(0o666)
    part.chmod(0o666)
    add_key(keys, "alice")
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "text",
    ["- a", "just text", "alice: a2r-secret-key", "alice: 5", "alice:\n  x: y", "{", "a: sha256:0"],
)
def test_a_file_without_keys_is_rejected_and_not_quoted(keys: Path, text: str) -> None:
    keys.write_text(text)
    with pytest.raises(ConfigError, match=r"keys\.yaml") as caught:
        ApiKeyStore(keys).load()
    assert "secret" not in str(caught.value)
    with pytest.raises(ConfigError):
        add_key(keys, "bob")
    assert keys.read_text() == text, "an unreadable file was overwritten"


def test_a_changed_file_of_the_same_size_and_time_is_reloaded(keys: Path) -> None:
    old = add_key(keys, "alice")
    store = ApiKeyStore(keys)
    store.load()
    before = keys.stat()
    other = keys.with_name("other.yaml")
    new = add_key(other, "alice")
    other.replace(keys)
    os.utime(keys, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert keys.stat().st_size == before.st_size
    store.load()
    assert (store.lookup(old), store.lookup(new)) == (None, "alice")


async def test_added_and_removed_keys_take_effect_at_once(keys: Path, config: Path) -> None:
    alice = add_key(keys, "alice")
    async with make_client(config, keys=keys) as client:
        assert await status_with(client, alice) == 200
        bob = add_key(keys, "bob")
        assert await status_with(client, bob) == 200
        replace_file(keys, yaml.safe_dump({"bob": read_keys(keys)["bob"]}))
        assert await status_with(client, alice) == 401
        assert await status_with(client, bob) == 200
        replace_file(keys, "")
        assert await status_with(client, bob) == 401


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, None),
        (b"", None),
        (b"Bearer", None),
        (b"Bearer ", None),
        (b"Basic YTpi", None),
        (b"a2r-something", None),
        (b"Bearer wrong", "invalid_api_key"),
        (b"Bearer a2r-wrong-wrong-wrong-wrong", "invalid_api_key"),
        ("Bearer schlüssel-日本語".encode(), "invalid_api_key"),
        (b"Bearer \xff\xfe\x80\x81-------------------", "invalid_api_key"),
        (b"Bearer " + b"x" * 60_000, "invalid_api_key"),
        (b"Bearer HASH", "invalid_api_key"),
        (b"Bearer KEY KEY", "invalid_api_key"),
        (b"Bearer KEYx", "invalid_api_key"),
    ],
)
@pytest.mark.parametrize("way", ["GET /v1/models", "GET /v1/models/mine", f"POST {COMPLETIONS}"])
async def test_a_missing_or_wrong_key(
    keys: Path, config: Path, way: str, authorization: bytes | None, code: str | None
) -> None:
    key = add_key(keys, "alice")
    headers = {}
    if authorization is not None:
        known = read_keys(keys)["alice"]
        header = authorization.replace(b"HASH", known.encode()).replace(b"KEY", key.encode())
        headers = {"Authorization": header}
    method, path = way.split()
    async with make_client(config, keys=keys) as client:
        body = request_body() if method == "POST" else None
        response = await client.request(method, path, json=body, headers=headers)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    error = error_fields(response)
    assert (error["type"], error["code"]) == ("invalid_request_error", code)
    assert key not in response.text
    assert len(response.text) < 500


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/nope", 401),
        ("/v1/%6dodels", 401),
        ("/%761/models", 401),
        ("/v1/models/", 401),
        ("/v1/models%2f", 401),
        ("/V1/models", 404),
        ("//v1/models", 404),
    ],
)
async def test_the_key_cannot_be_bypassed(keys: Path, config: Path, path: str, status: int) -> None:
    add_key(keys, "alice")
    async with make_client(config, keys=keys) as client:
        assert (await client.get(path)).status_code == status


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_is_case_insensitive(keys: Path, config: Path, scheme: str) -> None:
    key = add_key(keys, "alice")
    async with make_client(config, keys=keys) as client:
        response = await client.get("/v1/models", headers={"Authorization": f"{scheme}  {key}"})
    assert response.status_code == 200


@pytest.mark.integration
async def test_health_and_metrics_need_no_key(keys: Path, config: Path) -> None:
    add_key(keys, "alice")
    async with make_client(config, keys=keys) as client:
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/metrics")).status_code == 200
        assert (await client.get("/ready")).status_code == 503, "nothing listens at the endpoint"


@pytest.mark.parametrize("text", ["{", "alice: not-a-hash", None, b"\xff\xfe"])
async def test_a_file_corrupted_at_runtime_rejects_every_key(
    keys: Path, config: Path, text: str | bytes | None
) -> None:
    key = add_key(keys, "alice")
    good = yaml.safe_dump(read_keys(keys))
    async with make_client(config, keys=keys) as client:
        assert await status_with(client, key) == 200
        replace_file(keys, text)
        for candidate in (key, "wrong"):
            headers = {"Authorization": f"Bearer {candidate}"}
            response = await client.post(COMPLETIONS, json=request_body(), headers=headers)
            assert response.status_code == 503
            error = error_fields(response)
            assert (error["type"], error["code"]) == ("server_error", "keys_unreadable")
            assert str(keys) not in response.text
        assert (await client.get("/health")).status_code == 200
        replace_file(keys, good)
        assert await status_with(client, key) == 200


def test_the_server_does_not_start_with_a_missing_key_file(keys: Path, config: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        create_app(ModelRegistry.from_configs([config]), ServerSettings(keys=keys))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "example.org", "127.0.0.1.x"])
def test_other_hosts_are_not_served_without_keys(keys: Path, host: str) -> None:
    with pytest.raises(ConfigError, match="--no-auth") as caught:
        ServerSettings(host=host).check_exposure()
    assert "\n" not in str(caught.value)
    ServerSettings(host=host, no_auth=True).check_exposure()
    ServerSettings(host=host, keys=keys).check_exposure()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_loopback_is_served_without_keys(host: str) -> None:
    ServerSettings(host=host).check_exposure()
