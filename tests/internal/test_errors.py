"""Errors survive pickling, and the tree in the docstring matches the classes."""

from __future__ import annotations

import pickle
import re

import pytest

from a2r import errors

# A branch of the tree: its indentation, the exception, and after a colon the exit code.
BRANCH = re.compile(r"^    ([│├└─ ]*)(\w+Error) .*: (\d+)$", re.MULTILINE)
CLASSES = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and value.__module__ == errors.__name__
]
# Arguments of exceptions that do not take exactly one message.
ARGUMENTS: dict[type[errors.A2RError], tuple[object, ...]] = {
    errors.OptionError: ("option n: wrong", "n"),
    errors.MissingExtraError: ("mcp", "mcp"),
    errors.NoAnswerError: ("none of 4 samples finished", {"samples": []}),
    errors.EndpointsUnreachableError: ("none of 4 samples finished", {"samples": []}),
    errors.InterruptedRunError: (),
}


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_errors_survive_pickling(kind: type[errors.A2RError]) -> None:
    error = kind(*ARGUMENTS.get(kind, ("wrong",)))
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


def test_the_tree_in_the_docstring_matches_the_classes() -> None:
    drawn: dict[str, tuple[str | None, int]] = {}
    parents: list[str] = []
    for branch, name, exit_code in BRANCH.findall(errors.__doc__ or ""):
        depth = len(branch) // 4
        parents[depth:] = [name]
        drawn[name] = (parents[depth - 1] if depth else None, int(exit_code))
    classes = {
        kind.__name__: (
            None if kind is errors.A2RError else kind.__bases__[0].__name__,
            kind.exit_code,
        )
        for kind in CLASSES
    }
    assert drawn == classes
    assert sorted(classes) == errors.__all__
