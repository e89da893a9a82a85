"""Every error crosses the borders of processes."""

from __future__ import annotations

import pickle

import pytest

from a2r import errors


@pytest.mark.parametrize(
    "error",
    [
        errors.ConfigError("wrong"),
        errors.OptionError("option n: wrong", "n"),
        errors.MissingExtraError("mcp", "mcp"),
        errors.InterruptedRunError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_the_same_after_pickling(error: errors.A2RError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
