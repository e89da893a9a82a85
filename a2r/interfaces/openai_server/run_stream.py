"""The runs of one request, and what of them goes out."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from a2r._internal.task_isolation import merged
from a2r.events import AnyEvent
from a2r.interfaces.chat import Delta, deltas
from a2r.interfaces.openai_server.metrics import Metrics, Outcome
from a2r.interfaces.openai_server.request_log import Note
from a2r.interfaces.openai_server.request_parsing import Asked
from a2r.result import Result
from a2r.workflow.workflow import REQUEST_ID

Told = tuple[int, Delta]


async def results(asked: Asked, note: Note, metrics: Metrics) -> list[Result]:
    """The results of all runs, in order; where one fails, the others are cancelled.

    Raises:
        A2RError: of the first run that failed.
    """
    found: dict[int, Result] = {}
    async with aclosing(told(asked, note, metrics)) as stream:
        async for news in stream:
            found |= {choice: delta.result for choice, delta in news if delta.result is not None}
    return [found[choice] for choice in range(len(asked.overrides))]


async def told(asked: Asked, note: Note, metrics: Metrics) -> AsyncGenerator[list[Told], None]:
    """What the runs have told by now, each with the number of its choice; closing it ends them all.

    Raises:
        A2RError: of the first run that failed.
    """
    runs = [_run(asked, choice, note, metrics) for choice in range(len(asked.overrides))]
    if len(runs) == 1:
        # A task between the run and its client would have every delta wait for its turn twice.
        async with aclosing(runs[0]) as alone:
            async for delta in alone:
                yield [(0, delta)]
        return
    async with aclosing(merged(runs)) as stream:
        async for news in stream:
            yield news


async def _run(
    asked: Asked, choice: int, note: Note, metrics: Metrics
) -> AsyncGenerator[Delta, None]:
    events = asked.solver.astream(
        list(asked.messages),
        {
            "configurable": {REQUEST_ID: note.request_id},
            "metadata": {"request_id": note.request_id},
        },
        overrides=asked.overrides[choice],
    )
    observed = _observed(events, asked, note, metrics)
    ended: Outcome = "cancelled"
    try:
        async with aclosing(deltas(observed, answer_alone=asked.answer_alone)) as stream:
            async for delta in stream:
                ended = delta.result or ended
                yield delta
    except Exception:
        ended = "failed"
        raise
    finally:
        metrics.ended(asked.model.id, ended)


async def _observed(
    events: AsyncGenerator[AnyEvent, None], asked: Asked, note: Note, metrics: Metrics
) -> AsyncGenerator[AnyEvent, None]:
    watch = metrics.watch(asked.model.id)
    async with aclosing(events) as stream:
        async for event in stream:
            note.saw(event)
            watch.saw(event)
            yield event
