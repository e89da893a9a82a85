"""The errors of batches and banks."""

from __future__ import annotations

from a2r.errors import A2RError


class BankError(A2RError):
    """A bank cannot be opened, read or written."""

    exit_code = 2


class BankBusyError(BankError):
    """Another process writes the bank."""


class QuestionsError(A2RError):
    """The questions of a batch cannot be read."""

    exit_code = 2
