"""Download a model file from the Hugging Face hub."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from a2r.errors import MissingExtraError, ModelFileError
from a2r.serving.embedded.download_progress import DownloadProgress
from a2r.serving.embedded.model_catalog import HubSource

SHA256 = re.compile(r"[0-9a-f]{64}")


def download(
    source: HubSource, folder: Path, progress: DownloadProgress
) -> tuple[Path, str | None]:
    """Download a file into `folder`; resumes an interrupted download.

    Returns:
        The path, and the SHA-256 hash that the hub reports for the file, if any.

    Raises:
        MissingExtraError: `huggingface-hub` is not installed.
        ModelFileError: the hub is unreachable, or has no such file.
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
            local_dir=folder,
            tqdm_class=_forwarding_bar(progress),
        )
    # The client raises its own errors, those of its HTTP library, and OSError.
    except Exception as error:
        line = " ".join(str(error).split())[:200] or type(error).__name__
        raise ModelFileError(f"hub: {source.repo}/{source.file}: {line}") from error
    etag = metadata.etag or ""
    return Path(path), etag if SHA256.fullmatch(etag) else None


def _forwarding_bar(progress: DownloadProgress) -> type[Any]:
    """A progress bar class for the hub client that forwards to `progress`."""
    from tqdm import tqdm

    class ForwardingBar(tqdm):  # type: ignore[misc]
        def __init__(self, *_: object, initial: int = 0, **__: object) -> None:
            super().__init__(disable=True)
            self._done = initial

        def update(self, n: float | None = 1) -> None:
            self._done += int(n or 0)
            progress.update(self._done)

    return ForwardingBar
