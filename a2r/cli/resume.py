"""Which run `a2r ask` keeps or goes on with: `--thread`, `--resume`, `--store`."""

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
from a2r.persistence import (
    Run,
    default_store,
    display_name,
    exists,
    last_run,
    list_runs,
    open_store,
)
from a2r.persistence.store import Saver
from a2r.result import Result

QUESTION_WIDTH = 60


@dataclass(frozen=True, kw_only=True)
class ResumeOptions:
    """What the options say: where runs are kept, under which thread, and whether to go on."""

    store: str
    thread: str | None
    resume: bool


@dataclass(frozen=True, kw_only=True)
class ThreadSession:
    """Where this run is kept, and the run to go on with; nothing where it is not kept."""

    saver: Saver | None = None
    thread: str | None = None
    run: Run | None = None

    @property
    def config(self) -> RunnableConfig:
        """LangChain's config that puts the run on its thread."""
        return {} if self.thread is None else {"configurable": {"thread_id": self.thread}}

    @property
    def result(self) -> Result | None:
        """The result, if the run has finished already."""
        return None if self.run is None else self.run.result

    def log(self) -> None:
        """Tell in the log what is kept, or gone on with."""
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
            get_logger().info("run is kept", thread=self.thread)

    def lines(self) -> list[str]:
        """The same for a terminal."""
        if self.run is not None:
            done = f"{len(self.run.samples)} samples and {len(self.run.syntheses)} syntheses"
            return [
                f"{'question':<12}{one_line(self.run.question, QUESTION_WIDTH)}",
                f"{'resumed':<12}thread {self.thread}, {done} are there, next: "
                f"{', '.join(self.run.next)}",
            ]
        return [] if self.thread is None else [f"{'thread':<12}{self.thread}"]

    def events(self) -> list[SampleFinished]:
        """The samples that are there already, as a display takes them."""
        return [SampleFinished(sample=sample) for sample in self.run.samples] if self.run else []


def resume_options(thread: str | None, store: str | None, *, resume: bool) -> ResumeOptions:
    """What the options say.

    Raises:
        QuestionError: the thread has no name.
    """
    if thread is not None and not thread.strip():
        raise QuestionError("--thread needs a name")
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
    keeping: ResumeOptions, question: str | None
) -> AsyncIterator[ThreadSession]:
    """The open store, and in it the run to go on with, if there is one.

    Raises:
        RunNotFoundError: there is no question and nothing to go on with.
        StoreError: the store cannot be used.
    """
    if question is None and not exists(keeping.store):
        raise RunNotFoundError(
            f"nothing to resume: there is no store {display_name(keeping.store)}"
        )
    async with open_store(keeping.store) as saver:
        run = await _to_resume(saver, keeping, question) if keeping.resume else None
        thread = run.thread if run is not None else keeping.thread
        yield ThreadSession(saver=saver, thread=thread or uuid.uuid4().hex[:12], run=run)


async def _to_resume(saver: Saver, keeping: ResumeOptions, question: str | None) -> Run | None:
    """The run to go on with; `None` says that the question has to be asked."""
    if keeping.thread is not None:
        run = await last_run(saver, keeping.thread)
        if question is not None:
            return run if run is not None and run.matches(question) else None
        if run is None:
            known = suggestion(keeping.thread, {run.thread for run in await list_runs(saver)})
            raise RunNotFoundError(
                f"nothing to resume: no run on thread {keeping.thread!r} in "
                f"{display_name(keeping.store)}{known}"
            )
        return run
    runs = [run for run in await list_runs(saver) if run.state == "unfinished"]
    if question is not None:
        return next((run for run in runs if run.matches(question)), None)
    if not runs:
        raise RunNotFoundError(
            f"nothing to resume: no unfinished run in {display_name(keeping.store)}"
        )
    return runs[0]
