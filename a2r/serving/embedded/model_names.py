"""Resolve the name of a model on the embedded engine."""

from __future__ import annotations

import re
from pathlib import Path

from a2r._internal.suggestions import suggestion
from a2r.errors import ConfigError
from a2r.serving.embedded.model_catalog import CatalogModel, HubSource, catalog

HUB_NAME = re.compile(
    r"(?:hf://|hf:)?(?P<repo>[\w.-]+/[\w.-]+)/(?P<file>[^@]+\.gguf)(?:@(?P<revision>[\w./-]+))?"
)


def resolve_model(name: str) -> CatalogModel | HubSource | Path:
    """Resolve a name to a catalog model, a file on the hub, or a local file.

    A file on the hub is `owner/repo/file.gguf[@revision]`. An existing local path has priority over
    a file on the hub.

    Raises:
        ConfigError: the name is none of the three, or the local file does not exist.
    """
    if name in catalog():
        return catalog()[name]
    path = Path(name).expanduser()
    if path.is_file():
        return path.resolve()
    hub = HUB_NAME.fullmatch(name)
    if hub and not name.startswith((".", "/", "~")):
        return HubSource(**{k: v for k, v in hub.groupdict().items() if v is not None})
    if name.endswith(".gguf"):
        raise ConfigError(f"model file {name!r} does not exist")
    raise ConfigError(
        f"unknown model {name!r} of the embedded engine{suggestion(name, catalog())}"
        " (or use a .gguf file, or owner/repo/file.gguf on the hub)"
    )
