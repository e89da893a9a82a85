"""The compiled patterns of the package, and the methods that the code calls on them."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

import a2r

SEARCHES = frozenset({"search", "finditer", "findall", "sub", "subn", "split"})
METHODS = SEARCHES | {"match", "fullmatch"}
MAX_DEPTH = 3


@dataclass(frozen=True, kw_only=True)
class UsedPattern:
    """A pattern, the names that hold it, and the methods that are called on it."""

    pattern: re.Pattern[str]
    names: tuple[str, ...]
    methods: frozenset[str]


def used_patterns() -> list[UsedPattern]:
    """Every pattern in a module's variables, and every literal pattern of a call of `re`."""
    names: dict[re.Pattern[str], set[str]] = {}
    methods: dict[re.Pattern[str], set[str]] = {}
    for module in modules():
        tree = ast.parse(inspect.getsource(module))
        calls = called_methods(tree)
        for variable, value in vars(module).items():
            for pattern in patterns_in(value):
                names.setdefault(pattern, set()).add(f"{module.__name__}.{variable}")
                methods.setdefault(pattern, set()).update(calls.get(variable, ()))
        for pattern, method, line in literal_calls(tree):
            names.setdefault(pattern, set()).add(f"{module.__name__}:{line}")
            methods.setdefault(pattern, set()).add(method)
    return [
        UsedPattern(
            pattern=pattern, names=tuple(sorted(found)), methods=frozenset(methods[pattern])
        )
        for pattern, found in names.items()
    ]


SDK_VERSIONS = "a2r.interfaces.mcp_server.sdk.version_"


def modules() -> Iterator[ModuleType]:
    """Every module of the package but the entry points, which run when they are imported.

    Of the two modules for the versions of the `mcp` SDK, one fits what is installed.
    """
    for found in pkgutil.walk_packages(a2r.__path__, "a2r."):
        if found.name.endswith("__main__"):
            continue
        try:
            yield importlib.import_module(found.name)
        except ModuleNotFoundError:
            if not found.name.startswith(SDK_VERSIONS):
                raise


def patterns_in(value: object, depth: int = 0) -> Iterator[re.Pattern[str]]:
    """The patterns that a variable holds, in containers and dataclasses too."""
    if isinstance(value, re.Pattern):
        if isinstance(value.pattern, str):
            yield value
        return
    inner: list[object] = []
    if isinstance(value, dict):
        inner = [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple | set | frozenset):
        inner = list(value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        inner = [getattr(value, field.name, None) for field in dataclasses.fields(value)]
    if depth < MAX_DEPTH:
        for item in inner:
            yield from patterns_in(item, depth + 1)


def called_methods(tree: ast.AST) -> dict[str, set[str]]:
    """The methods called on each name.

    A name that is passed on, such as that of a tuple of patterns, gets the methods that the
    function around it calls on anything but a constant (`split` is taken for that of a string);
    all of them if it calls none.
    """
    calls: dict[str, set[str]] = {}
    for scope in scopes(tree):
        nodes = list(ast.walk(scope))
        receivers = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
        called: set[str] = set()
        passed = METHODS - {"split"}
        for node in nodes:
            if isinstance(node, ast.Attribute) and node.attr in METHODS:
                if isinstance(node.value, ast.Name) and node.value.id.isupper():
                    calls.setdefault(node.value.id, set()).add(node.attr)
                elif not (isinstance(node.value, ast.Name) and node.value.id == "re"):
                    called |= passed & {node.attr}
        for node in nodes:
            is_read = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
            if is_read and id(node) not in receivers:
                calls.setdefault(node.id, set()).update(called or METHODS)
    return calls


def scopes(tree: ast.AST) -> Iterator[ast.AST]:
    """The outermost functions of a module, methods included, and its other statements."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield from scopes(node)
        else:
            yield node


def literal_calls(tree: ast.AST) -> Iterator[tuple[re.Pattern[str], str, int]]:
    """The calls of `re` whose pattern is a literal: the pattern, the method, the line."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and node.func.attr in METHODS
            and isinstance(node.args[0], ast.Constant)
        ):
            yield re.compile(node.args[0].value, flags_of(node)), node.func.attr, node.lineno


def flags_of(call: ast.Call) -> int:
    """The flags of a call of `re`, by name, position or keyword."""
    named = [word.value for word in call.keywords if word.arg == "flags"]
    nodes = [inner for part in (*call.args[1:], *named) for inner in ast.walk(part)]
    names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    flags = 0
    for name in names & re.RegexFlag.__members__.keys():
        flags |= re.RegexFlag[name]
    return flags
