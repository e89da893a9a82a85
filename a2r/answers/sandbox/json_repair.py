"""JSON as people write it: with trailing commas, or as a Python literal. It runs in a worker."""

from __future__ import annotations

import ast
import json
import re

from a2r.answers.errors import UndecidableError
from a2r.answers.parsing.literals import without_duplicates

# A string, which stays as it is, also without its end; or a comma before a closing bracket.
STRING_OR_COMMA = re.compile(r"(?P<string>\"(?:\\.|[^\"\\])*(?:\"|\\?\Z))|,(?=\s*[}\]])", re.DOTALL)


def repaired_json(text: str) -> str:
    """The JSON document that a text means.

    Raises:
        UndecidableError: it is neither JSON with trailing commas nor a literal of Python.
    """
    without_commas = STRING_OR_COMMA.sub(lambda match: match["string"] or "", text)
    try:
        json.loads(without_commas, object_pairs_hook=without_duplicates)
    except ValueError:
        return _python_literal(text)
    return without_commas


def _python_literal(text: str) -> str:
    try:
        tree = ast.parse(text.strip(), mode="eval")
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict):
                without_duplicates([(ast.dump(key), None) for key in node.keys if key])
        return json.dumps(ast.literal_eval(tree), allow_nan=False)
    except (SyntaxError, ValueError, TypeError) as error:
        raise UndecidableError(f"not JSON: {type(error).__name__}") from error
