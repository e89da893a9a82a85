"""Draw a graph to a PNG file, without any service."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from a2r.errors import A2RError, MissingExtraError

if TYPE_CHECKING:
    from langchain_core.runnables.graph import Graph

BOX_HEIGHT = 30.0
CHARACTER_WIDTH = 9.0
MARGIN = 30.0
POINTS_PER_INCH = 72.0


@dataclass
class _Box:
    w: float
    h: float
    xy: tuple[float, float] = (0.0, 0.0)


def draw_png(graph: Graph, path: Path) -> None:
    """Draw a graph's nodes in layers and its edges as arrows, conditional ones dashed.

    Raises:
        MissingExtraError: the extra `plot` is not installed.
        A2RError: the file cannot be written.
    """
    try:
        from grandalf.graphs import Edge, Vertex
        from grandalf.graphs import Graph as Layered
        from grandalf.layouts import SugiyamaLayout
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("drawing (grandalf, matplotlib)", "plot") from error

    vertices = {name: Vertex(name) for name in graph.nodes}
    for name, vertex in vertices.items():
        vertex.view = _Box(w=CHARACTER_WIDTH * len(name) + MARGIN, h=BOX_HEIGHT)
    forward, back = _acyclic(graph)
    edges = [Edge(vertices[source], vertices[target]) for source, target, _ in forward]
    layered = Layered(list(vertices.values()), edges)
    for component in layered.C:
        layout = SugiyamaLayout(component)
        layout.xspace, layout.yspace = 60.0, 50.0
        layout.init_all()
        layout.draw()
    boxes = {name: vertex.view for name, vertex in vertices.items()}
    figure = Figure(figsize=_size(boxes), dpi=150)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.invert_yaxis()
    for source, target, conditional in forward:
        _arrow(axes, boxes[source].xy, boxes[target].xy, conditional, bend=0.0)
    for source, target, conditional in back:
        _arrow(axes, boxes[source].xy, boxes[target].xy, conditional, bend=0.45)
    for name, box in boxes.items():
        axes.text(
            box.xy[0],
            box.xy[1],
            name.strip("_"),
            ha="center",
            va="center",
            fontsize=11,
            bbox={"boxstyle": "round,pad=0.5", "facecolor": "#eef2ff", "edgecolor": "#4f46e5"},
        )
    xs, ys = [b.xy[0] for b in boxes.values()], [b.xy[1] for b in boxes.values()]
    axes.set_xlim(min(xs) - 120, max(xs) + 120)
    axes.set_ylim(max(ys) + MARGIN, min(ys) - MARGIN)
    try:
        figure.savefig(path, format="png")
    except OSError as error:
        raise A2RError(f"{path}: cannot be written: {error.strerror}") from error


def _acyclic(
    graph: Graph,
) -> tuple[list[tuple[str, str, bool]], list[tuple[str, str, bool]]]:
    """The edges along the order in which the nodes were added, and those against it."""
    order = {name: position for position, name in enumerate(graph.nodes)}
    edges = [(edge.source, edge.target, bool(edge.conditional)) for edge in graph.edges]
    forward = [edge for edge in edges if order[edge[0]] < order[edge[1]]]
    return forward, [edge for edge in edges if order[edge[0]] >= order[edge[1]]]


def _size(boxes: dict[str, _Box]) -> tuple[float, float]:
    xs, ys = [b.xy[0] for b in boxes.values()], [b.xy[1] for b in boxes.values()]
    width = max(xs) - min(xs) + 240
    height = max(ys) - min(ys) + 2 * MARGIN + BOX_HEIGHT
    return width / POINTS_PER_INCH, height / POINTS_PER_INCH


def _arrow(
    axes: Any, start: tuple[float, float], end: tuple[float, float], conditional: bool, bend: float
) -> None:
    axes.annotate(
        "",
        xy=end,
        xytext=start,
        arrowprops={
            "arrowstyle": "-|>",
            "linestyle": "--" if conditional else "-",
            "color": "#475569",
            "shrinkA": 16,
            "shrinkB": 16,
            "connectionstyle": f"arc3,rad={bend}",
        },
    )
