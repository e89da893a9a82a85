"""The compiled graphs have the nodes and edges that runs stored by earlier versions rely on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from a2r import build_graph
from a2r.workflow import graph_names
from tests.support.fake_openai import config_for

EXPECTED = json.loads((Path(__file__).parent / "data" / "graphs.json").read_text())


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_nodes_and_edges_are_unchanged(name: str) -> None:
    drawing = build_graph(config_for("http://127.0.0.1:9/v1", graph=name)).get_graph()
    edges = sorted([edge.source, edge.target, edge.conditional] for edge in drawing.edges)
    assert {"nodes": sorted(drawing.nodes), "edges": edges} == EXPECTED[name]


def test_every_shipped_graph_is_covered() -> None:
    assert graph_names() == sorted(EXPECTED)
