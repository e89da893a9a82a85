"""The exceptions of A2R, each with its exit code.

    A2RError                        base of all; exit code of the command line: 1
    ├── ConfigError                 unusable config, override, graph or variable: 2
    ├── OptionError                 an option of a call that the config cannot fulfill: 2
    ├── QuestionError               empty question, not text, or invalid Unicode: 2
    ├── MissingExtraError           optional dependency not installed: 2
    ├── StoreError                  store of runs cannot be opened, read or written: 2
    ├── RunNotFoundError            no such run, or none to resume: 2
    ├── ThreadBusyError             another run of the thread is in progress: 2
    ├── InterruptedGraphError       a graph stopped at an interrupt, without a result: 2
    ├── UnreachableError            `a2r check` reached no endpoint of a role: 3
    ├── ModelFileError              model file not fetched, verified or stored: 3
    ├── EngineError                 embedded engine cannot serve a model: 3
    ├── ServingError                server not started, or exited: 3
    ├── BudgetError                 the budget allows no sample: 4
    ├── NoAnswerFoundError          a text without a final answer: 4
    ├── NoAnswerError               no sample finished; has the partial result: 4
    │   └── EndpointsUnreachableError   because a role has no reachable endpoint: 3
    └── InterruptedRunError         the user interrupted a run: 130

The error model:

*Vocabulary.* Everything that A2R raises on purpose is an `A2RError`; any other exception is a bug
in A2R or in a custom node or callback. A message says in one or two lines what is wrong, where,
and what to do. A package may define further `A2RError`s for its input files. The errors of
`a2r.answers`, a library by itself, are a `ValueError`, too.

*Classification.* An error of one request to an endpoint is not an exception of the run.
`a2r.inference.call_errors` classifies it: the error type, whether a retry can help, and whether
the server may have generated tokens. A request that fails for good becomes data: a sample or
synthesis with status `failed`, `error` and `error_type`. A run raises only where no sample
finished.

*Surfacing.* The library raises the exception. The command line (`a2r.cli`) prints its message as
one line on stderr and exits with `exit_code`. The OpenAI server
(`a2r.interfaces.openai_server.api_errors`) maps it to an HTTP status and an OpenAI error code,
with a message that names no endpoint; the MCP server returns it as a tool error.

*Adding an exception.* (1) Define it here, below the closest existing exception, and set
`exit_code`. (2) Keep it picklable: with more arguments than the message, define `__reduce__`.
(3) Add it to the tree above and to `__all__`. (4) Document it in docs/library.md. (5) If it can
end a request of the OpenAI server, map it in `api_errors`. tests/internal/test_errors.py checks
the tree and the pickling.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "A2RError",
    "BudgetError",
    "ConfigError",
    "EndpointsUnreachableError",
    "EngineError",
    "InterruptedGraphError",
    "InterruptedRunError",
    "MissingExtraError",
    "ModelFileError",
    "NoAnswerError",
    "NoAnswerFoundError",
    "OptionError",
    "QuestionError",
    "RunNotFoundError",
    "ServingError",
    "StoreError",
    "ThreadBusyError",
    "UnreachableError",
]


class A2RError(RuntimeError):
    """Base of the exceptions of A2R; `exit_code` is the exit code of the command line.

    It is a `RuntimeError` because a LangGraph server shows its clients the message of no other
    exception.
    """

    exit_code = 1


class ConfigError(A2RError):
    """A config, an override, a graph reference or an environment variable that cannot be used."""

    exit_code = 2


class OptionError(A2RError):
    """An option of a call that the config cannot fulfill; `option` is its name."""

    exit_code = 2

    def __init__(self, message: str, option: str) -> None:
        super().__init__(message)
        self.option = option

    def __reduce__(self) -> tuple[type[OptionError], tuple[str, str]]:
        """Pickle with both arguments."""
        return type(self), (str(self), self.option)


class QuestionError(A2RError):
    """A question that is empty, not text, or not valid Unicode."""

    exit_code = 2


class BudgetError(A2RError):
    """The budget of a question or session allows no sample."""

    exit_code = 4


class NoAnswerFoundError(A2RError):
    """A text has no final answer."""

    exit_code = 4


class MissingExtraError(A2RError):
    """An optional dependency is not installed; `extra` is the extra that installs it."""

    exit_code = 2

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed: pip install 'a2r-reasoning[{extra}]'")
        self.package = package
        self.extra = extra

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        """Pickle with both arguments."""
        return type(self), (self.package, self.extra)


class ModelFileError(A2RError):
    """A model file cannot be fetched, verified or stored."""

    exit_code = 3


class EngineError(A2RError):
    """The embedded engine cannot serve a model."""

    exit_code = 3


class ServingError(A2RError):
    """A server cannot be started, or exits."""

    exit_code = 3


class NoAnswerError(A2RError):
    """No sample finished.

    Attributes:
        result: the partial `a2r.result.Result`, with every sample. It is annotated with `Any`
            because this module imports no other module of A2R.
    """

    exit_code = 4

    def __init__(self, message: str, result: Any) -> None:
        super().__init__(message)
        self.result = result

    def __reduce__(self) -> tuple[type[NoAnswerError], tuple[str, Any]]:
        """Pickle with both arguments."""
        return type(self), (str(self), self.result)


class EndpointsUnreachableError(NoAnswerError):
    """No sample finished because no endpoint of a role can be reached."""

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
    """The store of runs cannot be opened, read or written."""

    exit_code = 2


class RunNotFoundError(A2RError):
    """The store has no such run, or none that can be resumed."""

    exit_code = 2


class ThreadBusyError(A2RError):
    """Another run of the thread is in progress, in this process or another one."""

    exit_code = 2


class InterruptedGraphError(A2RError):
    """A graph stopped at an interrupt, so that there is no result yet."""

    exit_code = 2


class UnreachableError(A2RError):
    """A check reached no endpoint of a role."""

    exit_code = 3
