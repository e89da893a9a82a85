"""Ask the questions of a file and store every result in a bank."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from langchain_core.runnables import RunnableConfig

from a2r import answers
from a2r._internal.bounded_tasks import BoundedTasks
from a2r.batch.bank.records import BankRecord, RecordStatus
from a2r.batch.bank_session import BankSession, open_bank
from a2r.batch.endpoint_wait import EndpointWait
from a2r.batch.errors import BankError
from a2r.batch.progress import BatchProgress
from a2r.batch.question_stream import stream_questions
from a2r.batch.questions import BatchQuestion, InvalidQuestion
from a2r.batch.recorded_calls import JournaledCalls, RecordedCalls
from a2r.batch.settings import BatchSettings
from a2r.errors import A2RError, BudgetError, EndpointsUnreachableError, NoAnswerError
from a2r.result import Result
from a2r.solver import A2R
from a2r.usage import total
from a2r.workflow.runtime import REPLIES_KEY

PROGRESS_SECONDS = 0.2
SESSION_BUDGET = "budget.session."


@dataclass(frozen=True, kw_only=True)
class _Finished:
    """A question that has ended: its record, or why it has none."""

    record: BankRecord | None = None
    stopped_by: A2RError | None = None


@dataclass
class Batch:
    """A batch of questions over one solver.

    `on_record` is called with each new record. `stopped_by` is why the batch ended before all of
    its questions: a budget, or endpoints that cannot be reached.
    """

    solver: A2R
    settings: BatchSettings
    on_record: Callable[[BankRecord], None] = lambda _: None
    progress: BatchProgress = field(default_factory=BatchProgress)
    stopped_by: A2RError | None = None
    is_stopping: bool = False
    _tasks: BoundedTasks[BatchQuestion | InvalidQuestion, _Finished] | None = None
    _calls: dict[int, JournaledCalls] = field(default_factory=dict)

    def stop(self) -> None:
        """Ask no further question; those that run are finished."""
        self.is_stopping = True
        if self._tasks is not None:
            self._tasks.stop()

    async def run(self) -> BatchProgress:
        """Ask all questions that have no record yet.

        If it is cancelled, the bank is closed; the next run continues with what has arrived.

        Raises:
            BankError: the bank cannot be read or written, or is of another config or file.
            QuestionsError: the file of the questions cannot be read.
        """
        async with open_bank(self.settings, self.solver.config, self.progress) as bank:
            self._add_earlier_usage(bank)
            ticker = asyncio.create_task(self._record_progress(bank))
            try:
                await self._run(bank)
            finally:
                ticker.cancel()
        return self.progress

    def _add_earlier_usage(self, bank: BankSession) -> None:
        """Count what earlier processes have used towards the budgets of the whole batch."""
        config = self.solver.config.config
        calls = total(calls.total(config) for calls in bank.calls.values())
        earlier = self.progress.counts.usage + calls
        self.solver.workflow.models.ledger.add("explorer", earlier)

    async def _run(self, bank: BankSession) -> None:
        wait = EndpointWait(self.solver, self.settings.endpoint_wait, self.progress)

        async def ask(question: BatchQuestion | InvalidQuestion) -> _Finished:
            return await self._ask(question, bank, wait)

        limit = self.settings.max_in_flight or self.solver.default_in_flight
        self._tasks = BoundedTasks(ask, limit)
        if self.is_stopping:
            return
        async with aclosing(self._tasks.results(self._questions(bank))) as results:
            async for finished in results:
                if finished.stopped_by is not None:
                    self.stopped_by = self.stopped_by or finished.stopped_by
                    self.stop()
                if finished.record is not None:
                    await bank.add(finished.record, self.progress)
                    self.on_record(finished.record)
        bank.is_complete = not self.is_stopping

    async def _questions(
        self, bank: BankSession
    ) -> AsyncGenerator[BatchQuestion | InvalidQuestion, None]:
        """The questions without a record.

        Raises:
            BankError: a question differs from the one with its number that the bank has.
        """
        count = 0
        async with aclosing(stream_questions(self.settings)) as questions:
            async for question in questions:
                count += 1
                if self._is_open(question, bank):
                    yield question
        self.progress.expected = count

    def _is_open(self, question: BatchQuestion | InvalidQuestion, bank: BankSession) -> bool:
        """Whether a question is to be asked."""
        stored = bank.stored.get(question.number)
        if stored is None:
            return True
        same = _hash(question) == stored.question_hash
        if not same and stored.status != "failed" and not self.settings.accept_changes:
            raise BankError(
                f"question {question.number} is not the one of the bank "
                f"{self.settings.folder}: choose another folder, or set --accept-changes"
            )
        return not same or (self.settings.retry_failed and stored.status == "failed")

    async def _ask(
        self, question: BatchQuestion | InvalidQuestion, bank: BankSession, wait: EndpointWait
    ) -> _Finished:
        stored = bank.stored.get(question.number)
        attempt = 0 if stored is None else stored.attempt + 1
        started_at, started = time.time(), time.monotonic()
        if isinstance(question, InvalidQuestion):
            return _Finished(record=_invalid_record(question, attempt, started_at))
        recorded = bank.calls.pop(question.number, RecordedCalls())
        recorded.replies = {**question.replies, **recorded.replies}
        config = self.solver.config.config
        calls = JournaledCalls(question.number, attempt, bank.journal, recorded, config)
        self._calls[question.number] = calls
        self.progress.in_flight += 1
        try:
            result, error = await self._result(question, calls, wait)
        finally:
            self.progress.in_flight -= 1
            del self._calls[question.number]
        if isinstance(error, BudgetError | EndpointsUnreachableError):
            return _Finished(stopped_by=error)
        if (reason := _session_budget_reason(result)) is not None:
            return _Finished(stopped_by=BudgetError(f"{reason}; raise the budget to continue"))
        record = BankRecord(
            number=question.number,
            id=question.id,
            question_hash=question.hash,
            status=_status(result, error),
            attempt=attempt,
            question=question.text,
            messages=question.messages,
            kind=question.kind,
            gold=question.gold,
            correct=await _is_correct(question, result),
            fields=question.fields,
            result=result,
            error=None if error is None else str(error),
            error_type=None if error is None else type(error).__name__,
            usage=calls.calls.total(config),
            requests=calls.requests,
            thinking=calls.thinking if self.settings.keep_thinking else {},
            started_at=started_at,
            seconds=time.monotonic() - started,
        )
        return _Finished(record=record)

    async def _result(
        self, question: BatchQuestion, calls: JournaledCalls, wait: EndpointWait
    ) -> tuple[Result | None, A2RError | None]:
        """The result of a question, or its error; waits for endpoints that cannot be reached."""
        overrides = None if question.kind is None else {"kind": question.kind}
        while True:
            try:
                config = RunnableConfig(configurable={REPLIES_KEY: calls})
                return await self.solver.aask(question.question, config, overrides=overrides), None
            except EndpointsUnreachableError as error:
                if self.is_stopping or not await wait.until_reachable():
                    return None, error
            except NoAnswerError as error:
                return error.result, error
            except A2RError as error:
                return None, error

    async def _record_progress(self, bank: BankSession) -> None:
        """Record several times a second what the requests in flight have received."""
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            tokens = [entry for calls in self._calls.values() for entry in calls.progress()]
            if tokens:
                bank.journal.append({"event": "progress", "tokens": tokens})


def _session_budget_reason(result: Result | None) -> str | None:
    """Why the budget of the whole batch left a question incomplete, if it did."""
    if result is None:
        return None
    attempts = [*result.samples, *result.synthesis]
    reasons = [attempt.error for attempt in attempts if attempt.error_type == "budget"]
    reasons += [report.reason for report in result.decisions]
    return next((each for each in reasons if each and each.startswith(SESSION_BUDGET)), None)


def _status(result: Result | None, error: A2RError | None) -> RecordStatus:
    if error is not None or result is None:
        return "failed"
    return "answered" if result.answer is not None else "unanswered"


def _hash(question: BatchQuestion | InvalidQuestion) -> str:
    return question.hash if isinstance(question, BatchQuestion) else ""


def _invalid_record(question: InvalidQuestion, attempt: int, started_at: float) -> BankRecord:
    return BankRecord(
        number=question.number,
        id=str(question.number),
        question_hash="",
        status="failed",
        attempt=attempt,
        question="",
        error=question.reason,
        error_type="QuestionsError",
        started_at=started_at,
        seconds=0.0,
    )


async def _is_correct(question: BatchQuestion, result: Result | None) -> bool | None:
    if question.gold is None or result is None:
        return None
    if result.answer is None:
        return False
    return await answers.agrade(result.answer, question.gold, result.kind, question=question.text)
