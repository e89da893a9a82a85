"""The embedded engine: GGUF models served on loopback by llama.cpp, for machines without vLLM."""

from a2r.engine.catalogue import CatalogueModel, catalogue
from a2r.engine.engine import Engine
from a2r.engine.store import ModelStore

__all__ = ["CatalogueModel", "Engine", "ModelStore", "catalogue"]
