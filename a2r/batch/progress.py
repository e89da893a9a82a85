"""What a batch has done so far."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

from a2r.batch.bank.index import IndexEntry
from a2r.batch.bank.records import RecordStatus
from a2r.result import Method
from a2r.usage import Usage

NO_USAGE = Usage()


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredQuestion:
    """The last record of a question, as far as it counts."""

    question_hash: str
    status: RecordStatus
    attempt: int
    method: Method | None
    error_type: str | None
    correct: bool | None

    @classmethod
    def from_entry(cls, entry: IndexEntry) -> StoredQuestion:
        """The record of an entry of the index."""
        return cls(**{name: getattr(entry, name) for name in cls.__slots__})


@dataclass
class BatchCounts:
    """Counts of the last records of the questions of a bank.

    `methods` are those of results, `errors` the types of the errors of failed questions. `graded`
    counts the records with a gold answer. `usage` is that of all records, also of earlier attempts.
    """

    questions: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    methods: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    graded: int = 0
    correct: int = 0
    usage: Usage = NO_USAGE

    def add(self, entry: IndexEntry, earlier: StoredQuestion | None) -> None:
        """Add a record, in place of the earlier one of its question."""
        if earlier is not None:
            self._count(earlier, -1)
        self._count(StoredQuestion.from_entry(entry), 1)
        self.usage += entry.usage

    def _count(self, question: StoredQuestion, by: int) -> None:
        self.questions += by
        self.statuses[question.status] += by
        if question.method is not None:
            self.methods[question.method] += by
        if question.error_type is not None:
            self.errors[question.error_type] += by
        if question.correct is not None:
            self.graded += by
            self.correct += by * question.correct


@dataclass
class BatchProgress:
    """The progress of a batch.

    `expected` is the number of questions, as far as it is known. `counts` are those of the bank,
    `asked` and `usage` of this process only. `waiting` is what the batch waits for, such as an
    endpoint, and `waits` is set when it does so for the first time. Times are `time.monotonic()`
    seconds.
    """

    expected: int | None = None
    counts: BatchCounts = field(default_factory=BatchCounts)
    asked: int = 0
    usage: Usage = NO_USAGE
    in_flight: int = 0
    waiting: str | None = None
    waits: asyncio.Event = field(default_factory=asyncio.Event)
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """The seconds since the start of this process."""
        return time.monotonic() - self.started

    @property
    def remaining_seconds(self) -> float | None:
        """An estimate of the time until the end; `None` while nothing is known."""
        if self.expected is None or not self.asked:
            return None
        return max(0, self.expected - self.counts.questions) * self.seconds / self.asked

    def wait_for(self, reason: str) -> None:
        """Note that the batch waits, and for what."""
        self.waiting = reason
        self.waits.set()

    def add(self, entry: IndexEntry, earlier: StoredQuestion | None) -> None:
        """Add a record of this process."""
        self.asked += 1
        self.usage += entry.usage
        self.counts.add(entry, earlier)
