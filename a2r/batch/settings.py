"""The settings of a batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from a2r.batch.question_files import Format
from a2r.batch.questions import QuestionFields

ENDPOINT_WAIT_SECONDS = 3600.0


@dataclass(frozen=True, kw_only=True)
class BatchSettings:
    """What a batch asks, and how.

    Attributes:
        questions: a file of questions, or `-` for standard input.
        folder: the folder of the bank.
        form: the format of the file; by its name if `None`.
        fields: the names of its columns.
        limit: the number of questions to read; all if `None`.
        max_in_flight: the number of questions that run at once; by the capacity of the endpoints
            if `None`.
        keep_thinking: whether the bank has the reasoning of the models.
        retry_failed: whether failed questions are asked again.
        accept_changes: whether a bank of another config, code or file is continued.
        endpoint_wait: how many seconds questions wait for endpoints that cannot be reached.
    """

    questions: str
    folder: Path
    form: Format | None = None
    fields: QuestionFields = field(default_factory=QuestionFields)
    limit: int | None = None
    max_in_flight: int | None = None
    keep_thinking: bool = False
    retry_failed: bool = False
    accept_changes: bool = False
    endpoint_wait: float = ENDPOINT_WAIT_SECONDS
