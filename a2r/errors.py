"""The exceptions that a2r raises; each message says what went wrong, where, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from a2r.result import Result


class A2RError(RuntimeError):
    """Base of everything that a2r raises on purpose; `exit_code` is what the CLI exits with.

    It is a `RuntimeError`, for a LangGraph server tells its clients the message of no other kind.
    """

    exit_code = 1


class ConfigError(A2RError):
    """A config, an override, a graph reference or an environment variable that cannot be used."""

    exit_code = 2


class OptionError(A2RError):
    """An option that a config cannot fulfil; `option` names it."""

    exit_code = 2

    def __init__(self, message: str, option: str) -> None:
        super().__init__(message)
        self.option = option

    def __reduce__(self) -> tuple[type[OptionError], tuple[str, str]]:
        """Pickle with both arguments."""
        return type(self), (str(self), self.option)


class QuestionError(A2RError):
    """A question that cannot be asked: empty, not text, or not valid Unicode."""

    exit_code = 2


class BudgetError(A2RError):
    """A budget leaves nothing to begin with."""

    exit_code = 4


class NoAnswerFoundError(A2RError):
    """A text that was to be read for its final answer gives none."""

    exit_code = 4


class MissingExtraError(A2RError):
    """An optional dependency is not installed; the message says which extra brings it."""

    exit_code = 2

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed: pip install 'a2r-reasoning[{extra}]'")
        self.package = package
        self.extra = extra

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        """Pickle with both arguments."""
        return type(self), (self.package, self.extra)


class ModelFileError(A2RError):
    """A model file that could not be fetched, verified or stored."""

    exit_code = 3


class EngineError(A2RError):
    """The embedded engine could not serve a model."""

    exit_code = 3


class ServingError(A2RError):
    """A server could not be started, or could not be kept running."""

    exit_code = 3


class NoAnswerError(A2RError):
    """No sample finished; `result` is the partial result that carries every sample."""

    exit_code = 4

    def __init__(self, message: str, result: Result) -> None:
        super().__init__(message)
        self.result = result

    def __reduce__(self) -> tuple[type[NoAnswerError], tuple[str, Result]]:
        """Pickle with both arguments, so that the error crosses process borders whole."""
        return type(self), (str(self), self.result)


class EndpointsUnreachableError(NoAnswerError):
    """No sample finished because no endpoint of a role could be reached."""

    exit_code = 3


class InterruptedRunError(A2RError):
    """The user interrupted a run."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("interrupted")

    def __reduce__(self) -> tuple[type[InterruptedRunError], tuple[()]]:
        """Pickle without arguments."""
        return type(self), ()


class StoreError(A2RError):
    """The store in which runs are kept cannot be opened, read or written."""

    exit_code = 2


class RunNotFoundError(A2RError):
    """There is no such run in the store, or none that could go on."""

    exit_code = 2


class UnreachableError(A2RError):
    """A probe found no endpoint of a role that answers."""

    exit_code = 3
