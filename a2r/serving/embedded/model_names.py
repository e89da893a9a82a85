"""What a model's name in a config stands for on the embedded engine."""

from __future__ import annotations

import re
from pathlib import Path

from a2r._internal.suggestions import suggestion
from a2r.errors import ConfigError
from a2r.serving.embedded.model_catalog import CatalogModel, HubSource, catalog

HUB_REFERENCE = re.compile(
    r"(?:hf://|hf:)?(?P<repo>[\w.-]+/[\w.-]+)/(?P<file>[^@]+\.gguf)(?:@(?P<revision>[\w./-]+))?"
)


def resolve_model(reference: str) -> CatalogModel | HubSource | Path:
    """A catalog entry, a file of the hub (`owner/repo/file.gguf[@revision]`), or a local file.

    A path that exists goes before a hub reference of the same spelling.

    Raises:
        ConfigError: the reference is none of the three, or the local file does not exist.
    """
    if reference in catalog():
        return catalog()[reference]
    path = Path(reference).expanduser()
    if path.is_file():
        return path.resolve()
    hub = HUB_REFERENCE.fullmatch(reference)
    if hub and not reference.startswith((".", "/", "~")):
        return HubSource(**{k: v for k, v in hub.groupdict().items() if v is not None})
    if reference.endswith(".gguf"):
        raise ConfigError(f"model file {reference!r} does not exist")
    raise ConfigError(
        f"the embedded engine knows no model {reference!r}{suggestion(reference, catalog())}"
        " (or give a .gguf file, or owner/repo/file.gguf on the hub)"
    )
