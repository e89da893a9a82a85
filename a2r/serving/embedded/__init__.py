"""The embedded engine: GGUF models served on loopback by llama.cpp, for machines without vLLM."""

from a2r.serving.embedded.engine import Engine
from a2r.serving.embedded.model_catalog import CatalogueModel, catalogue
from a2r.serving.embedded.model_store import ModelStore

__all__ = ["CatalogueModel", "Engine", "ModelStore", "catalogue"]
