"""Downloads from a hub: a small server implements the hub's protocol."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.preloaded_python import python

pytestmark = pytest.mark.integration

BODY = b"GGUF" + bytes(range(256)) * 400
ETAG = hashlib.sha256(BODY).hexdigest()


class Handler(BaseHTTPRequestHandler):
    etag = ETAG

    def do_HEAD(self) -> None:
        self._send(b"")

    def do_GET(self) -> None:
        self._send(BODY)

    def _send(self, body: bytes) -> None:
        exists = self.path == "/own/models/resolve/main/tiny.gguf"
        start = int(self.headers.get("Range", "bytes=0-")[6:].split("-")[0])
        self.send_response(200 if exists and not start else 206 if exists else 404)
        self.send_header("ETag", f'"{self.etag}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("Content-Length", str(len(BODY) - start if exists else 0))
        self.end_headers()
        if exists and body:
            self.wfile.write(body[start:])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def pull(reference: str, endpoint: str, cache: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "A2R_CACHE": str(cache),
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(cache / "hf"),
        "HF_HUB_DISABLE_XET": "1",
    }
    return subprocess.run(
        [python(), "-m", "a2r", "models", "pull", reference],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=120,
    )


def test_a_file_of_the_hub_is_fetched_and_verified(hub: str, tmp_path: Path) -> None:
    completed = pull("own/models/tiny.gguf", hub, tmp_path)
    assert completed.returncode == 0, completed.stderr
    assert Path(completed.stdout.strip()).read_bytes() == BODY
    assert f"bytes={len(BODY)}" in completed.stderr


def test_a_hash_that_differs_from_the_hub_is_rejected(
    hub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Handler, "etag", "f" * 64)
    completed = pull("own/models/tiny.gguf", hub, tmp_path)
    assert completed.returncode == 3
    assert "wrong SHA-256" in completed.stderr
    assert not list(tmp_path.rglob("*.gguf"))


def test_a_file_that_the_hub_does_not_have(hub: str, tmp_path: Path) -> None:
    completed = pull("own/models/other.gguf", hub, tmp_path)
    assert completed.returncode == 3
    assert "own/models/other.gguf" in completed.stderr
    assert "Traceback" not in completed.stderr


def test_a_hub_that_cannot_be_reached(tmp_path: Path) -> None:
    completed = pull("own/models/tiny.gguf", "http://127.0.0.1:9", tmp_path)
    assert completed.returncode == 3
    assert "cannot download" in completed.stderr
    assert "Traceback" not in completed.stderr
