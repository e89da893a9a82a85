"""The exceptions of `a2r.answers`.

AnswersError (an A2RError and a ValueError)
├── ArgumentTypeError     an argument of another type than the function takes
├── UnknownKindError      a kind of answer that does not exist
├── SettingsError         a setting that is out of range
├── SchemaError           a JSON schema that cannot be used
├── UnreadableError       a text outside the answer grammar
│   └── TooDeepError      brackets nested too deeply
├── UndecidableError      an expression without a value within the limits
│   └── ValuelessError    an expression that has no numerical value
├── ImpreciseError        a value that needs more digits
└── WorkerError           a worker process that cannot be used

The public functions raise the first four only; the others are handled inside the package.
"""

from __future__ import annotations

from a2r.errors import A2RError


class AnswersError(A2RError, ValueError):
    """Base class of the exceptions of `a2r.answers`."""

    exit_code = 2


class ArgumentTypeError(AnswersError):
    """An argument has another type than the function takes."""


class UnknownKindError(AnswersError):
    """The kind of answer is not one of `Kind`."""


class SettingsError(AnswersError):
    """A value of `Settings` is out of range or not one of the choices."""


class SchemaError(AnswersError):
    """The JSON schema is invalid, refers to another document, or takes too long to load."""


class UnreadableError(AnswersError):
    """The text is not an expression of the answer grammar; it may still be words or LaTeX."""


class TooDeepError(UnreadableError):
    """Brackets are nested more deeply than the grammar allows."""


class UndecidableError(AnswersError):
    """The expression has no value that can be computed within the limits."""


class ValuelessError(UndecidableError):
    """The expression is readable but has no numerical value, such as an equation."""


class ImpreciseError(AnswersError):
    """The value needs a higher precision: `digits` decimal digits."""

    def __init__(self, digits: int) -> None:
        super().__init__(f"{digits} digits are needed")
        self.digits = digits

    def __reduce__(self) -> tuple[type[ImpreciseError], tuple[int]]:
        """Pickle with the number of digits."""
        return type(self), (self.digits,)


class WorkerError(AnswersError):
    """A worker process cannot be started, or exits before it accepts a request."""
