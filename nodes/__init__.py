"""The nodes of the graphs: one file each, each a plain async function of (state, runtime)."""

from a2r.nodes.cluster import cluster
from a2r.nodes.explore import explore
from a2r.nodes.extract import extract
from a2r.nodes.finalize import finalize
from a2r.nodes.gate import gate
from a2r.nodes.pack import pack
from a2r.nodes.prepare import prepare
from a2r.nodes.select import select
from a2r.nodes.synthesize import synthesize

__all__ = [
    "cluster",
    "explore",
    "extract",
    "finalize",
    "gate",
    "pack",
    "prepare",
    "select",
    "synthesize",
]
