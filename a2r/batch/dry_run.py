"""Count the calls of a batch without making them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from langchain_core.runnables import RunnableConfig

from a2r._internal.bounded_tasks import BoundedTasks
from a2r.batch.question_stream import stream_questions
from a2r.batch.questions import BatchQuestion, InvalidQuestion
from a2r.batch.recorded_calls import request_hash
from a2r.batch.settings import BatchSettings
from a2r.config import Config
from a2r.errors import NoAnswerError
from a2r.inference.transport.stream_accumulator import StreamAccumulator
from a2r.inference.types import ModelReply, Request
from a2r.result import Role
from a2r.solver import A2R
from a2r.usage import Usage
from a2r.workflow.runtime import REPLIES_KEY

PLACEHOLDER = "The answer is \\boxed{0}."


@dataclass
class DryRun:
    """What a batch would do.

    `recorded` counts the calls whose replies are recorded, `calls` those that would be made, by
    role. As their replies are not known, a question may need more or fewer calls.
    """

    questions: int = 0
    recorded: Counter[Role] = field(default_factory=Counter)
    calls: Counter[Role] = field(default_factory=Counter)


@dataclass(frozen=True, kw_only=True)
class CountedCalls:
    """A `ReplyRecord` that replaces the replies that are not recorded by a placeholder."""

    replies: Mapping[str, tuple[str, ModelReply]]
    config: Config
    counts: DryRun

    async def find(self, request: Request) -> ModelReply | None:
        """Return the recorded reply, or count a call and return a placeholder."""
        recorded = self.replies.get(request.call or "")
        if recorded is not None and recorded[0] == request_hash(request, self.config):
            self.counts.recorded[request.role] += 1
            return recorded[1]
        self.counts.calls[request.role] += 1
        return ModelReply(status="answered", text=PLACEHOLDER, usage=Usage(), seconds=0.0)

    def on_send(self, request: Request, accumulator: StreamAccumulator) -> None:
        """Every reply is found: nothing is sent."""
        raise AssertionError(request.call)

    def on_usage(self, request: Request, usage: Usage) -> None:
        """Every reply is found: nothing is sent."""
        raise AssertionError(request.call)

    async def on_reply(self, request: Request, reply: ModelReply) -> None:
        """Every reply is found: none arrives."""
        raise AssertionError(request.call)


async def count_calls(solver: A2R, settings: BatchSettings) -> DryRun:
    """Run a batch with its recorded replies, and placeholders for the others.

    Raises:
        QuestionsError: the file of the questions cannot be read.
    """
    counts, config = DryRun(), solver.config.config

    async def ask(question: BatchQuestion | InvalidQuestion) -> None:
        if isinstance(question, InvalidQuestion):
            return
        counts.questions += 1
        calls = CountedCalls(replies=question.replies, config=config, counts=counts)
        overrides = None if question.kind is None else {"kind": question.kind}
        run_config = RunnableConfig(configurable={REPLIES_KEY: calls})
        try:
            await solver.aask(question.question, run_config, overrides=overrides)
        except NoAnswerError:
            return

    tasks = BoundedTasks(ask, settings.max_in_flight or solver.default_in_flight)
    async with aclosing(tasks.results(stream_questions(settings))) as results:
        async for _ in results:
            pass
    return counts
