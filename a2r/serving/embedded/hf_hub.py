"""Fetching a model file from the Hugging Face hub."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from a2r.errors import MissingExtraError, ModelFileError
from a2r.serving.embedded.download_progress import DownloadProgress
from a2r.serving.embedded.model_catalog import HubSource

SHA256 = re.compile(r"[0-9a-f]{64}")


def download(source: HubSource, work: Path, progress: DownloadProgress) -> tuple[Path, str | None]:
    """Fetch a file into `work`, going on with what an interrupted download left there.

    Returns the path, and the SHA-256 that the hub tells of the file if it tells one.

    Raises:
        ModelFileError: the hub cannot be reached, or has no such file.
    """
    try:
        from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    except ImportError as error:
        raise MissingExtraError("huggingface-hub", "local") from error
    try:
        url = hf_hub_url(source.repo, source.file, revision=source.revision)
        metadata = get_hf_file_metadata(url)
        progress.update(0, metadata.size)
        path = hf_hub_download(
            source.repo,
            source.file,
            revision=source.revision,
            local_dir=work,
            tqdm_class=_bar_for(progress),
        )
    # The client raises its own errors, those of whichever HTTP library it has, and OSError.
    except Exception as error:
        line = " ".join(str(error).split())[:200] or type(error).__name__
        raise ModelFileError(f"hub: {source.repo}/{source.file}: {line}") from error
    etag = metadata.etag or ""
    return Path(path), etag if SHA256.fullmatch(etag) else None


def _bar_for(progress: DownloadProgress) -> type[Any]:
    """The hub client's progress bar, replaced by ours."""
    from tqdm import tqdm

    class Forwarding(tqdm):  # type: ignore[misc]
        def __init__(self, *_: object, initial: int = 0, **__: object) -> None:
            super().__init__(disable=True)
            self._done = initial

        def update(self, n: float | None = 1) -> None:
            self._done += int(n or 0)
            progress.update(self._done)

    return Forwarding
