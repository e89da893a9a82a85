"""The runs of one request, and what of them goes out."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from a2r._internal.task_isolation import merge_streams
from a2r.events import AnyEvent
from a2r.interfaces.chat import Delta, deltas
from a2r.interfaces.openai_server.metrics import Metrics, Outcome
from a2r.interfaces.openai_server.request_log import RequestContext
from a2r.interfaces.openai_server.request_parsing import RunRequest
from a2r.result import Result
from a2r.workflow.runtime import REQUEST_ID_KEY

ChoiceDeltas = tuple[int, Delta]


async def run_choices(asked: RunRequest, note: RequestContext, metrics: Metrics) -> list[Result]:
    """The results of all runs, in order; where one fails, the others are cancelled.

    Raises:
        A2RError: of the first run that failed.
    """
    found: dict[int, Result] = {}
    async with aclosing(stream_choices(asked, note, metrics)) as stream:
        async for news in stream:
            found |= {choice: delta.result for choice, delta in news if delta.result is not None}
    return [found[choice] for choice in range(len(asked.overrides))]


async def stream_choices(
    asked: RunRequest, note: RequestContext, metrics: Metrics
) -> AsyncGenerator[list[ChoiceDeltas], None]:
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
    async with aclosing(merge_streams(runs)) as stream:
        async for news in stream:
            yield news


async def _run(
    asked: RunRequest, choice: int, note: RequestContext, metrics: Metrics
) -> AsyncGenerator[Delta, None]:
    events = asked.solver.astream(
        list(asked.messages),
        {
            "configurable": {REQUEST_ID_KEY: note.request_id},
            "metadata": {"request_id": note.request_id},
        },
        overrides=asked.overrides[choice],
    )
    observed = _observe(events, asked, note, metrics)
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
        metrics.on_request_end(asked.model.id, ended)


async def _observe(
    events: AsyncGenerator[AnyEvent, None],
    asked: RunRequest,
    note: RequestContext,
    metrics: Metrics,
) -> AsyncGenerator[AnyEvent, None]:
    watch = metrics.watch(asked.model.id)
    async with aclosing(events) as stream:
        async for event in stream:
            note.on_event(event)
            watch.on_event(event)
            yield event
