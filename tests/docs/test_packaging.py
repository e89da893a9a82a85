"""The distribution: one import name, and a wheel that works from every kind of source."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

from tests.support.fake_openai import boxed, config_for, fake_openai, replies

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
LINKS = ("graphs", "nodes", "configs")
# Variables that would add import paths or disable cached bytecode.
VARIABLES = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")


def run(*command: str | Path, cwd: Path | None = None, **environment: str) -> str:
    completed = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**{k: v for k, v in os.environ.items() if k not in VARIABLES}, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return completed.stdout


def repository_files() -> list[str]:
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    return [name for name in listed.splitlines() if (ROOT / name).exists()]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the repository that git knows, including symbolic links."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in repository_files():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target, follow_symlinks=False)
    assert all((folder / "a2r" / link).is_symlink() for link in LINKS)
    return folder


@pytest.fixture(scope="module")
def without_links(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository without symbolic links, as in a zip file: each link is a text file."""
    folder = tmp_path_factory.mktemp("zip") / "a2r-main"
    shutil.copytree(checkout, folder, symlinks=True)
    for link in LINKS:
        target = (folder / "a2r" / link).readlink()
        (folder / "a2r" / link).unlink()
        (folder / "a2r" / link).write_text(str(target))
    return folder


def build(source: Path, out: Path, *kinds: str) -> None:
    command = (sys.executable, "-m", "build", "--no-isolation", "--outdir", out)
    run(*command, *(f"--{kind}" for kind in kinds), source)


def top_level(names: list[str]) -> set[str]:
    return {name.split("/")[0] for name in names if ".dist-info/" not in name}


@pytest.fixture(scope="module")
def built(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist of the checkout."""
    folder = tmp_path_factory.mktemp("built")
    build(checkout, folder, "sdist", "wheel")
    return folder


def contents(wheel: Path) -> dict[str, bytes]:
    """Every file of a wheel, including RECORD with the hashes and the metadata."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert len(names) == len(set(names))
        return {name: archive.read(name) for name in names}


def check_installed(wheel: Path, folder: Path) -> None:
    """Install the wheel in an empty environment; run the command line and a graph."""
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
    binaries = folder / "venv" / "bin"
    # Compile only the modules that are imported.
    install = ("install", "--quiet", "--no-compile", wheel)
    run(sys.executable, "-m", "pip", "--python", binaries / "python", *install)
    where = run(binaries / "python", "-c", "import a2r; print(a2r.__file__)", cwd=folder).strip()
    assert where.startswith(str(folder / "venv"))
    command = (binaries / "a2r",)
    assert run(*command, "--version", cwd=folder).startswith("a2r 0.")
    assert "self-consistency" in run(*command, "config", "list", cwd=folder)
    with fake_openai(replies(small=boxed("4"))) as server:
        (folder / "c.yaml").write_text(yaml.safe_dump(config_for(server.url)))
        printed = run(*command, "ask", "2+2?", "-c", "c.yaml", "--json", cwd=folder)
    assert json.loads(printed)["method"] == "unanimous"


def test_the_wheel_of_a_checkout_works(built: Path, tmp_path: Path) -> None:
    [wheel] = built.glob("*.whl")
    names = contents(wheel).keys()
    assert top_level(list(names)) == {"a2r"}
    assert {"a2r/py.typed", "a2r/graphs/two_stage.py", "a2r/configs/local.yaml"} <= names
    check_installed(wheel, tmp_path)


def test_the_wheel_of_an_sdist_is_the_same(built: Path, tmp_path: Path) -> None:
    [wheel], [sdist] = built.glob("*.whl"), built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "sdist", filter="data")
    [unpacked] = (tmp_path / "sdist").iterdir()
    build(unpacked, tmp_path / "again", "wheel")
    [again] = (tmp_path / "again").glob("*.whl")
    assert contents(again) == contents(wheel)


def test_the_wheel_of_a_zip_without_links_is_the_same(
    built: Path, without_links: Path, tmp_path: Path
) -> None:
    [wheel] = built.glob("*.whl")
    build(without_links, tmp_path, "wheel")
    [other] = tmp_path.glob("*.whl")
    assert contents(other) == contents(wheel)
