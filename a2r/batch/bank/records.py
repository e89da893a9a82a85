"""The record of a question in a bank; its JSON Schema is published."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from a2r._internal.models import FrozenModel
from a2r.answers.types import Kind
from a2r.inference.types import ChatMessage
from a2r.result import Result
from a2r.usage import Usage

BANK_SCHEMA_VERSION: Literal[1] = 1
RecordStatus = Literal["answered", "unanswered", "failed"]


class BankRecord(FrozenModel):
    """A question, what was sampled for it, and its result: one line of a bank.

    `number` is its position among the questions, from 0; `question_hash` identifies its content.
    `messages` is the whole chat if the question is one. `correct` is whether the answer is that of
    `gold`, null without one. `fields` are the other columns of its line.
    `status` is `answered`, `unanswered` (the result has no answer) or `failed` (there is no result,
    or no sample finished; `error` says why). `attempt` counts from 0: the last record of a question
    is valid, and the usage of earlier ones was spent, too. `usage` is everything that was spent for
    this attempt: the calls of the result, and those of processes that were killed. `requests` are
    the hashes of the requests of complete replies, by the name of their call, such as `sample-0`;
    `thinking` has the reasoning of the calls, if the batch keeps it. `started_at` is
    in seconds since the epoch.
    """

    schema_version: Literal[1] = BANK_SCHEMA_VERSION
    number: int = Field(ge=0)
    id: str
    question_hash: str
    status: RecordStatus
    attempt: int = 0
    question: str
    messages: list[ChatMessage] | None = None
    kind: Kind | None = None
    gold: str | None = None
    correct: bool | None = None
    fields: dict[str, Any] = Field(default_factory=dict)
    result: Result | None = None
    error: str | None = None
    error_type: str | None = None
    usage: Usage = Usage()
    requests: dict[str, str] = Field(default_factory=dict)
    thinking: dict[str, str] = Field(default_factory=dict)
    started_at: float
    seconds: float

    def to_line(self) -> bytes:
        """The record as a JSON line."""
        return self.model_dump_json().encode() + b"\n"
