"""The documentation imports public names only; its links and paths exist."""

from __future__ import annotations

import ast
import json
import re
import textwrap
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
GRAPHS = [path.stem for path in ROOT.glob("graphs/[!_]*.py")]
PUBLIC = {
    "a2r",
    "a2r.answers",
    "a2r.batch",
    "a2r.config",
    "a2r.errors",
    "a2r.evaluation",
    "a2r.evaluation.replay",
    "a2r.events",
    "a2r.gates",
    "a2r.graphs",
    "a2r.graphs._routing",
    "a2r.inference",
    "a2r.interfaces",
    "a2r.nodes",
    "a2r.persistence",
    "a2r.result",
    "a2r.usage",
    "a2r.workflow",
    *(f"a2r.graphs.{name}" for name in GRAPHS),
}
FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^()\s]+)\)")
PATH = re.compile(r"`([\w./-]+(?:\.(?:py|yaml|toml|json|md)|/))`")
by_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)


def code_blocks(page: Path) -> Iterator[str]:
    """Yield the Python code of a page or of the cells of a notebook, without magics."""
    text = page.read_text("utf-8")
    if page.suffix == ".md":
        for _, language, code in FENCE.findall(text):
            if language == "python":
                yield textwrap.dedent(code)
        return
    for cell in json.loads(text)["cells"]:
        if cell["cell_type"] == "code":
            lines = "".join(cell["source"]).splitlines()
            yield "\n".join(line for line in lines if not line.startswith("%"))


def imports(code: str) -> Iterator[tuple[str, str | None]]:
    """Yield the imports from a2r as module and name; the name of `import module` is None."""
    tree = compile(code, "<page>", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
            yield from ((module, None) for module in modules if module.split(".")[0] == "a2r")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "a2r":
            yield from ((node.module or "", alias.name) for alias in node.names)


def is_public(module: str, name: str | None) -> bool:
    """Whether the documentation may import a name of a module, or the module itself."""
    if name is not None and f"{module}.{name}" in PUBLIC:
        return True
    if module not in PUBLIC:
        return False
    loaded = import_module(module)
    if name is None or hasattr(loaded, "__all__"):
        return name is None or name in loaded.__all__
    # A single module without `__all__`: its names, but not those that it imports.
    tree = ast.parse(Path(loaded.__file__ or "").read_text("utf-8"))
    return not name.startswith("_") and name in defined_names(tree)


def defined_names(tree: ast.Module) -> set[str]:
    """Return the functions, classes, methods (`Class.method`) and variables of a module."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            for member in node.body:
                if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
                    names |= {member.name, f"{node.name}.{member.name}"}
        for target in node.targets if isinstance(node, ast.Assign) else ():
            names |= {n.id for n in ast.walk(target) if isinstance(n, ast.Name)}
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


def without_code(text: str) -> str:
    """Return a page without fenced blocks and code spans."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))


def without_prose(text: str) -> str:
    """Return the code of a page: fenced blocks and code spans."""
    blocks = [code for _, _, code in FENCE.findall(text)]
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", FENCE.sub("", text))])


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    slugs: dict[str, int] = {}
    result = set()
    text = FENCE.sub("", page.read_text("utf-8"))
    for heading in re.findall(r"^#{1,6} +(.+?) *$", text, re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        count = slugs.get(slug, 0)
        slugs[slug] = count + 1
        result.add(f"{slug}-{count}" if count else slug)
    return result


def table_rows(page: Path, heading: str) -> list[list[str]]:
    """Return the cells of the tables under a heading of the second level, without headers."""
    section = page.read_text("utf-8").split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    tables = re.findall(r"^\|.*\n\|[ :|-]+\n((?:\|.*\n)+)", section, re.MULTILINE)
    rows = [row for table in tables for row in table.splitlines()]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


@pytest.mark.parametrize("page", [*PAGES, *NOTEBOOKS], ids=lambda path: path.name)
def test_imports_are_public(page: Path) -> None:
    private = [
        f"from {module} import {name}" if name else f"import {module}"
        for code in code_blocks(page)
        for module, name in imports(code)
        if not is_public(module, name)
    ]
    assert private == []


def test_public_packages_declare_their_names() -> None:
    for module in sorted(PUBLIC):
        loaded = import_module(module)
        # `a2r.graphs` is a folder of modules.
        if hasattr(loaded, "__path__") and module != "a2r.graphs":
            assert loaded.__all__, module
        for name in getattr(loaded, "__all__", ()):
            assert hasattr(loaded, name), f"{module}.{name}"


@by_page
def test_relative_links_resolve(page: Path) -> None:
    broken = []
    for target in LINK.findall(without_code(page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        if not linked.exists() or (anchor and anchor not in anchors(linked)):
            broken.append(target)
    assert broken == []


def test_the_index_lists_every_page() -> None:
    index = ROOT / "docs" / "index.md"
    listed = re.findall(r"^- \[([\w-]+\.md)\]\(\1\): \S", index.read_text("utf-8"), re.MULTILINE)
    assert sorted(listed) == [path.name for path in PAGES[4:] if path != index]


@pytest.mark.parametrize("name", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_the_paths_exist(name: str) -> None:
    paths = PATH.findall(FENCE.sub("", (ROOT / name).read_text("utf-8")))
    assert len(paths) > 40
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_purpose_has_a_file_in_where_to_change_what() -> None:
    rows = table_rows(ROOT / "docs" / "architecture.md", "Where to change what")
    assert len(rows) >= 25
    assert len({purpose for purpose, _ in rows}) == len(rows)
    assert all(PATH.fullmatch(path) for _, path in rows)


def test_the_functions_of_the_steps_exist() -> None:
    rows = table_rows(ROOT / "docs" / "architecture.md", "One question, step by step")
    assert [row[0] for row in rows] == [str(number + 1) for number in range(len(rows))]
    missing = []
    for number, _, files, functions in rows:
        names: set[str] = set()
        for path in PATH.findall(files):
            names |= defined_names(ast.parse((ROOT / path).read_text("utf-8")))
        steps = re.findall(r"`([\w.]+)`", functions)
        missing += [f"{number}: {name}" for name in steps if name not in names]
    assert missing == []


def test_the_packages_are_those_of_the_code() -> None:
    listed = [
        row[0].strip("`") for row in table_rows(ROOT / "docs" / "architecture.md", "Packages")
    ]
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert re.findall(r"^\d+\. `(.+)`$", text, re.MULTILINE) == listed
    packages = {f"a2r/{path.parent.name}/" for path in ROOT.glob("a2r/*/__init__.py")}
    links = {"a2r/graphs/", "a2r/nodes/"}
    assert {name for name in listed if name.startswith("a2r/") and name.endswith("/")} == (
        packages - links
    )


def test_the_citation_has_the_version_of_the_package() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    assert "2509.22044" in citation["references"][0]["url"]


def test_the_make_targets_of_contributing_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"\bmake ([a-z][\w-]*)", without_prose(text)))
    assert {t for t in targets if not re.search(rf"^{t}:", makefile, re.MULTILINE)} == set()
