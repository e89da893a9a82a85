"""The tool `solve`: run one question, with progress, cancellation and errors."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from a2r._internal.task_isolation import cancel_and_wait
from a2r._internal.text import one_line
from a2r.config import Config
from a2r.errors import A2RError, NoAnswerError
from a2r.events import AnyEvent, RunFinished
from a2r.interfaces.chat import ChatOptions
from a2r.interfaces.http.disconnect import ClientDisconnectedError
from a2r.interfaces.mcp_server.lifecycle import ServerShutdownError, await_or_cancel
from a2r.interfaces.mcp_server.progress_notifications import ProgressReporter
from a2r.interfaces.mcp_server.server_state import ServerState
from a2r.interfaces.mcp_server.tool import CallContext, ToolError
from a2r.interfaces.mcp_server.tool_outputs import Solution
from a2r.result import Result
from a2r.solver import A2R
from a2r.workflow.chat_messages import validate_question


@dataclass(frozen=True, kw_only=True)
class SolveRequest:
    """A question, the name of a config, and a maximum of samples (`None`: that of the config)."""

    question: str
    config: str
    samples: int | None


async def solve(
    state: ServerState,
    solve_request: SolveRequest,
    context: CallContext,
) -> Solution:
    """Run a question and report its progress.

    If the caller is cancelled, or the client disconnects, the run and all its calls are cancelled.

    Args:
        state: the server's configs and results.
        solve_request: the question.
        context: the connection of the call.

    Raises:
        ToolError: the request is invalid, or there is no answer; the message says why.
    """
    try:
        validate_question(solve_request.question)
        solver = state.solver(solve_request.config)
        reporter = ProgressReporter(send=context.send_progress)
        run = state.start(_run(state, solver, solve_request, reporter))
        return Solution.from_result(await await_or_cancel(run, context.http_request))
    except NoAnswerError as error:
        state.store_result(error.result)
        details = f"Details of each sample: a2r://runs/{error.result.run_id}"
        raise ToolError(f"{one_line(str(error))}\n{details}") from error
    except A2RError as error:
        raise ToolError(one_line(str(error))) from error
    except ClientDisconnectedError as error:
        raise ToolError("client disconnected; run cancelled") from error
    except ServerShutdownError as error:
        raise ToolError("server shutting down; run cancelled") from error


def limit_samples(samples: int | None, config: Config) -> dict[str, Any]:
    """Overrides for a maximum of samples.

    The config's waves are cut at the maximum. If that exceeds their sum, it becomes a single wave.
    """
    waves = config.explorer.wave_sizes
    if samples is None or samples > sum(waves):
        return ChatOptions(samples=samples).overrides(config)
    starts = [sum(waves[:number]) for number in range(len(waves))]
    limited = [
        min(size, samples - start)
        for size, start in zip(waves, starts, strict=True)
        if start < samples
    ]
    return {"explorer.waves": limited}


async def _run(
    state: ServerState, solver: A2R, solve_request: SolveRequest, reporter: ProgressReporter
) -> Result:
    overrides = limit_samples(solve_request.samples, solver.config.config)
    heartbeat = asyncio.create_task(reporter.heartbeat(state.heartbeat_seconds))
    last: AnyEvent | None = None
    try:
        async with aclosing(solver.astream(solve_request.question, overrides=overrides)) as events:
            async for event in events:
                # Store the result before the last notification: the client may read it at once.
                if isinstance(event, RunFinished):
                    state.store_result(event.result)
                await reporter.report(event)
                last = event
    finally:
        await cancel_and_wait([heartbeat])
    if not heartbeat.cancelled():
        heartbeat.result()
    if not isinstance(last, RunFinished):
        raise RuntimeError("the run ended without a result")
    return last.result
