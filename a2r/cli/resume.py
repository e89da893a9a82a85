"""Persisting and resuming runs of `a2r ask`: `--thread`, `--resume`, `--store`."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from langchain_core.runnables import RunnableConfig

from a2r._internal.logging import get_logger
from a2r._internal.suggestions import suggestion
from a2r._internal.text import one_line
from a2r.errors import QuestionError, RunNotFoundError
from a2r.events import SampleFinished
from a2r.persistence import Run, default_store, last_run, list_runs, open_store
from a2r.persistence.database import Saver, display_name, exists
from a2r.result import Result

QUESTION_WIDTH = 60


@dataclass(frozen=True, kw_only=True)
class ResumeOptions:
    """The run store, the thread ID, and whether to resume."""

    store: str
    thread: str | None
    resume: bool


@dataclass(frozen=True, kw_only=True)
class ThreadSession:
    """The open store, the thread and the run to resume; all `None` if the run is not persisted."""

    saver: Saver | None = None
    thread: str | None = None
    run: Run | None = None

    @property
    def config(self) -> RunnableConfig:
        """The `RunnableConfig` with the thread ID."""
        return {} if self.thread is None else {"configurable": {"thread_id": self.thread}}

    @property
    def result(self) -> Result | None:
        """The result of a run that has already finished."""
        return None if self.run is None else self.run.result

    def log(self) -> None:
        """Log that the run is persisted or resumed."""
        if self.run is not None:
            get_logger().info(
                "run resumed",
                thread=self.thread,
                run=self.run.run_id,
                samples=len(self.run.samples),
                syntheses=len(self.run.syntheses),
                next=list(self.run.next),
            )
        elif self.thread is not None:
            get_logger().info("run persisted", thread=self.thread)

    def lines(self) -> list[str]:
        """The same as lines for a terminal."""
        if self.run is not None:
            stored = f"{len(self.run.samples)} samples and {len(self.run.syntheses)} syntheses"
            return [
                f"{'question':<12}{one_line(self.run.question, QUESTION_WIDTH)}",
                f"{'resumed':<12}thread {self.thread}, {stored} stored, next: "
                f"{', '.join(self.run.next)}",
            ]
        return [] if self.thread is None else [f"{'thread':<12}{self.thread}"]

    def events(self) -> list[SampleFinished]:
        """The stored samples as events for the live display."""
        return [SampleFinished(sample=sample) for sample in self.run.samples] if self.run else []


def resume_options(thread: str | None, store: str | None, *, resume: bool) -> ResumeOptions:
    """Return the options; the store defaults to `default_store()`.

    Raises:
        QuestionError: the thread ID is blank or not valid Unicode.
    """
    if thread is not None and not thread.strip():
        raise QuestionError("--thread needs an ID that is not blank")
    if thread is not None and not _is_unicode(thread):
        raise QuestionError("--thread is not valid UTF-8 text")
    return ResumeOptions(store=store or default_store(), thread=thread, resume=resume)


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


@asynccontextmanager
async def open_session(
    options: ResumeOptions, question: str | None
) -> AsyncIterator[ThreadSession]:
    """Open the store and find the run to resume, if there is one.

    Raises:
        RunNotFoundError: there is no question and no run to resume.
        StoreError: the store cannot be opened or read.
    """
    if question is None and not exists(options.store):
        raise RunNotFoundError(
            f"nothing to resume: there is no store {display_name(options.store)}"
        )
    async with open_store(options.store) as saver:
        run = await _find_resumable(saver, options, question) if options.resume else None
        thread = run.thread if run is not None else options.thread
        yield ThreadSession(saver=saver, thread=thread or uuid.uuid4().hex[:12], run=run)


async def _find_resumable(saver: Saver, options: ResumeOptions, question: str | None) -> Run | None:
    """Return the run to resume, or `None` to start a new run with the question."""
    if options.thread is not None:
        run = await last_run(saver, options.thread)
        if question is not None:
            return run if run is not None and run.matches(question) else None
        if run is None:
            hint = suggestion(options.thread, {run.thread for run in await list_runs(saver)})
            raise RunNotFoundError(
                f"nothing to resume: no run on thread {options.thread!r} in "
                f"{display_name(options.store)}{hint}"
            )
        return run
    runs = [run for run in await list_runs(saver) if run.state == "unfinished"]
    if question is not None:
        return next((run for run in runs if run.matches(question)), None)
    if not runs:
        raise RunNotFoundError(
            f"nothing to resume: no unfinished run in {display_name(options.store)}"
        )
    return runs[0]
