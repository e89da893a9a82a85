"""The runs of one request, one per choice, as one stream of deltas."""

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
from a2r.workflow.runtime import CLIENT_KEY, REQUEST_ID_KEY

ChoiceDelta = tuple[int, Delta]


async def run_choices(
    request: RunRequest, context: RequestContext, metrics: Metrics
) -> list[Result]:
    """The results of all runs, in order; if one fails, the others are cancelled.

    Raises:
        A2RError: the error of the first run that failed.
    """
    results: dict[int, Result] = {}
    async with aclosing(stream_choices(request, context, metrics)) as stream:
        async for batch in stream:
            results |= {n: delta.result for n, delta in batch if delta.result is not None}
    return [results[choice] for choice in range(len(request.overrides))]


async def stream_choices(
    request: RunRequest, context: RequestContext, metrics: Metrics
) -> AsyncGenerator[list[ChoiceDelta], None]:
    """The deltas of all runs, each with the index of its choice, in batches as they arrive.

    Closing the stream cancels the runs.

    Raises:
        A2RError: the error of the first run that failed.
    """
    runs = [_run(request, choice, context, metrics) for choice in range(len(request.overrides))]
    if len(runs) == 1:
        # Merging would put a second task between the run and the client, and delay every delta.
        async with aclosing(runs[0]) as single:
            async for delta in single:
                yield [(0, delta)]
        return
    async with aclosing(merge_streams(runs)) as stream:
        async for batch in stream:
            yield batch


async def _run(
    request: RunRequest, choice: int, context: RequestContext, metrics: Metrics
) -> AsyncGenerator[Delta, None]:
    events = request.solver.astream(
        list(request.messages),
        {
            "configurable": {
                REQUEST_ID_KEY: context.request_id,
                CLIENT_KEY: context.key,
            },
            "metadata": {"request_id": context.request_id},
        },
        overrides=request.overrides[choice],
    )
    observed = _observe(events, request, context, metrics)
    outcome: Outcome = "cancelled"
    try:
        async with aclosing(deltas(observed, answer_alone=request.answer_alone)) as stream:
            async for delta in stream:
                outcome = delta.result or outcome
                yield delta
    except Exception:
        outcome = "failed"
        raise
    finally:
        metrics.on_run_end(request.model.id, outcome)


async def _observe(
    events: AsyncGenerator[AnyEvent, None],
    request: RunRequest,
    context: RequestContext,
    metrics: Metrics,
) -> AsyncGenerator[AnyEvent, None]:
    run_metrics = metrics.for_run(request.model.id)
    async with aclosing(events) as stream:
        async for event in stream:
            context.on_event(event)
            run_metrics.on_event(event)
            yield event
