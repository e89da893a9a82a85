"""The exceptions of `a2r.answers`: one base class, and the same after pickling."""

from __future__ import annotations

import pickle

import pytest

from a2r.answers import Settings, errors, extract


@pytest.mark.parametrize(
    "error",
    [
        errors.UnknownKindError("unknown kind 'maths'"),
        errors.ArgumentTypeError("text is a text"),
        errors.SettingsError("digits is 0"),
        errors.SchemaError("invalid"),
        errors.UnreadableError("expected )"),
        errors.TooDeepError("nested too deeply"),
        errors.UndecidableError("too large"),
        errors.ValuelessError("no value"),
        errors.ImpreciseError(400),
        errors.WorkerError("exited"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_survive_pickling(error: errors.AnswersError) -> None:
    assert isinstance(error, errors.AnswersError)
    assert isinstance(error, ValueError)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_the_public_functions_raise_them() -> None:
    with pytest.raises(errors.UnknownKindError, match="maths"):
        extract("5", "maths")  # type: ignore[arg-type]
    with pytest.raises(errors.SettingsError, match="digits"):
        Settings(digits=0)
