"""Imports point one way: interfaces and facade, graphs, nodes, core."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INTERFACES = (
    "a2r.__main__",
    "a2r.interfaces.langchain.chat_request",
    "a2r.interfaces.langchain.chat_model",
    "a2r.cli",
    "a2r.workflow.draw_png",
    "a2r.solver",
    "a2r.workflow.builder",
    "a2r.persistence.checkpointing",
    "a2r.interfaces.mcp_server",
    "a2r.interfaces.openai_server",
    "a2r.interfaces.langchain.tool",
)
LAYERS = ("core", "nodes", "graphs", "interfaces")


def layer_of(module: str) -> int:
    if module.startswith("a2r.nodes"):
        return 1
    if module.startswith("a2r.graphs"):
        return 2
    return 3 if module == "a2r" or module.startswith(INTERFACES) else 0


def imports_of(path: Path) -> set[str]:
    """The modules of a2r that a file imports, `from a2r import x` counted as `a2r.x`."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            module = node.module or ""
            names |= {f"a2r.{a.name}" for a in node.names} if module == "a2r" else {module}
    return {name for name in names if name.split(".")[0] == "a2r"}


def test_every_import_points_to_its_own_layer_or_a_lower_one() -> None:
    checked = 0
    for path in sorted((ROOT / "a2r").rglob("*.py")) + sorted(ROOT.glob("[gn]*s/*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        module = module if module.startswith("a2r") else f"a2r.{module}"
        if module == "a2r":
            continue
        for name in imports_of(path):
            checked += 1
            upward = f"{module} ({LAYERS[layer_of(module)]}) imports {name}"
            assert layer_of(name) <= layer_of(module), upward
    assert checked > 100
