"""The form of a program: its syntax tree for Python, else its text with normal spaces.

Model-written text is parsed here, but never executed. It runs in a worker.
"""

from __future__ import annotations

import ast
import hashlib
import re
import textwrap

# Python has words that other languages write differently; `x = 'a'` may be any language.
PYTHON = re.compile(
    r"^[^\S\n]*+(?:def \w+\([^)\n]*\).*:|class \w.*:|(?:if|elif|for|while|with|try|else)\b.*:"
    r"|import \w+"
    r"|from [\w.]+ import |return\b|@\w+)|\bprint\(|\blambda\b(?:(?!\blambda\b)[^:\n])*:"
    r"|\"\"\"|\'\'\'",
    re.MULTILINE,
)
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
# A string in quotes, which keeps its spaces; or a run of spaces within a line.
STRING_OR_SPACES = re.compile(
    r"(?P<string>\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)"
    r"|(?:(?<![ \t])[ \t]++)?(?P<end>\n)(?:[ \t]*\n)*|(?<=\S)(?P<spaces>[ \t]{2,}|\t)"
)


def program_form(text: str) -> str:
    """A string that is equal for programs that differ in comments, format and docstrings only.

    Strings and indentation count exactly. Text that is not Python keeps its comments.
    """
    tree = _parsed(text) or _parsed(textwrap.dedent(text))
    if tree is None or not tree.body or not PYTHON.search(text):
        return f"code {_normal_spaces(text)}"
    _drop_docstrings(tree)
    return f"python {hashlib.sha256(ast.dump(tree).encode()).hexdigest()}"


def _parsed(text: str) -> ast.Module | None:
    try:
        return ast.parse(text.strip("\n"))
    except (SyntaxError, ValueError):
        return None


def _drop_docstrings(tree: ast.AST) -> None:
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and len(node.body) > 1 and _is_string(node.body[0]):
            del node.body[0]


def _is_string(statement: ast.stmt) -> bool:
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _normal_spaces(text: str) -> str:
    """The text without blank lines and trailing spaces; runs of spaces in a line become one."""
    spaced = STRING_OR_SPACES.sub(
        lambda match: match["string"] or match["end"] or " ", text.replace("\r\n", "\n")
    )
    return spaced.strip("\n").rstrip()
