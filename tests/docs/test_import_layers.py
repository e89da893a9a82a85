"""Imports have one direction: a package imports only packages before it in the list."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Bottom to top. A name covers the modules below it, unless a longer name in the list does.
LAYERS = (
    ("a2r._version", "a2r.errors"),
    ("a2r._internal",),
    ("a2r.usage",),
    ("a2r.answers.errors",),
    ("a2r.answers.types", "a2r.answers.settings"),
    ("a2r.answers.argument_types",),
    ("a2r.answers.parsing",),
    ("a2r.answers.sandbox",),
    ("a2r.answers.extraction",),
    ("a2r.answers.equivalence",),
    ("a2r.answers.grading",),
    ("a2r.answers",),
    ("a2r.result",),
    ("a2r.config",),
    ("a2r.gates",),
    ("a2r.inference",),
    ("a2r.serving",),
    ("a2r.events",),
    ("a2r.workflow",),
    ("a2r.nodes",),
    ("a2r.graphs",),
    ("a2r.persistence",),
    ("a2r.solver",),
    ("a2r.batch",),
    ("a2r.evaluation",),
    ("a2r.training",),
    ("a2r.interfaces.chat", "a2r.interfaces.http"),
    ("a2r.interfaces.langchain", "a2r.interfaces.openai_server", "a2r.interfaces.mcp_server"),
    ("a2r.interfaces",),
    ("a2r",),
    ("a2r.cli",),
    ("a2r.__main__",),
)
ORDER = {name: number for number, names in enumerate(LAYERS) for name in names}
# Packages of the same layer may not import each other either.
LOOSE = {"__init__", "__main__", "_version", "errors", "events", "result", "usage", "solver"}


def modules() -> dict[str, Path]:
    """Every module of the package by name; graphs and nodes are reached through links."""
    paths = [*(ROOT / "a2r").rglob("*.py"), *ROOT.glob("graphs/*.py"), *ROOT.glob("nodes/*.py")]
    files = {}
    for path in paths:
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        files[name if name.split(".")[0] == "a2r" else f"a2r.{name}"] = path
    return files


def imports(path: Path, names: set[str]) -> set[str]:
    """The modules of a2r that a file imports, including those under TYPE_CHECKING."""
    result = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            result |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            for alias in node.names:
                full = f"{module}.{alias.name}"
                result.add(full if full in names else module)
    return {name for name in result if name.split(".")[0] == "a2r"}


def layer(module: str) -> str:
    """The name in the list that covers a module: the longest one."""
    return max((n for n in ORDER if module == n or module.startswith(f"{n}.")), key=len)


def test_every_import_points_down() -> None:
    names = modules()
    checked = 0
    for module, path in names.items():
        for imported in imports(path, set(names)):
            above, below = layer(module), layer(imported)
            checked += 1
            allowed = above == below or ORDER[below] < ORDER[above]
            assert allowed, f"{module} ({above}) imports {imported} ({below})"
    assert checked > 500


def test_there_are_no_import_cycles() -> None:
    names = modules()
    # Modules of a package depend on its __init__ only implicitly.
    edges = {
        module: imports(path, set(names)) & set(names) - {module} for module, path in names.items()
    }
    done: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " -> ".join([*way[way.index(module) :], module])
        if module not in done:
            for imported in sorted(edges[module]):
                visit(imported, (*way, module))
            done.add(module)

    for module in sorted(edges):
        visit(module, ())


def test_no_other_top_level_module_exists() -> None:
    assert {path.stem for path in (ROOT / "a2r").glob("*.py")} <= LOOSE
