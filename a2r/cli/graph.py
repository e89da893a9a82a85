"""`a2r graph`: a graph as Mermaid text and as a PNG file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from a2r.config import default_config_name, load_config


def graph(
    name: Annotated[
        str, typer.Argument(metavar="NAME|PATH", help="A graph by name, file or import path.")
    ] = "a2r",
    png: Annotated[
        Path | None, typer.Option(help="Output file. (default: NAME.png in the current folder)")
    ] = None,
) -> None:
    """Print a graph as Mermaid text and draw it to a PNG file. Works offline."""
    from a2r.workflow.draw_png import draw_png
    from a2r.workflow.graph_loader import compile_workflow
    from a2r.workflow.workflow import Workflow

    loaded = load_config(default_config_name(), overrides={"graph": name})
    drawable = compile_workflow(Workflow.from_config(loaded)).get_graph()
    print(drawable.draw_mermaid())
    path = png or Path(f"{Path(name.partition(':')[0]).stem}.png")
    draw_png(drawable, path)
    print(f"a2r: wrote {path}", file=sys.stderr)
