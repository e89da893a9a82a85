"""The embedded engine: GGUF models served on loopback by llama.cpp, without vLLM or a GPU."""

from a2r.serving.embedded.engine import Engine
from a2r.serving.embedded.model_catalog import CatalogModel, catalog
from a2r.serving.embedded.model_store import ModelStore

__all__ = ["CatalogModel", "Engine", "ModelStore", "catalog"]
