"""The tool `solve`: one question, from the request to the output."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from mcp.server.mcpserver.exceptions import ToolError
from starlette.requests import Request

from a2r._internal.text import one_line
from a2r.config import Config
from a2r.errors import A2RError, NoAnswerError
from a2r.events import AnyEvent, RunFinished
from a2r.interfaces.chat import ChatOptions
from a2r.interfaces.http.disconnect import ClientDisconnectedError
from a2r.interfaces.mcp_server.lifecycle import ServerShutdownError, await_or_cancel
from a2r.interfaces.mcp_server.progress_notifications import ProgressReporter, Send
from a2r.interfaces.mcp_server.server_state import ServerState
from a2r.interfaces.mcp_server.tool_outputs import Solution
from a2r.result import Result
from a2r.solver import A2R
from a2r.workflow.inputs import validate_question


@dataclass(frozen=True, kw_only=True)
class SolveRequest:
    """What is asked: a question, the config's name, and how many samples (`None`: the config's)."""

    question: str
    config: str
    samples: int | None


async def solve(
    desk: ServerState, asked: SolveRequest, send: Send, request: Request | None
) -> Solution:
    """Run a question to its end, telling through `send` how far it is.

    Where the caller is cancelled, or the client of `request` hangs up, the run is cancelled with
    all its calls.

    Raises:
        ToolError: there is no answer, or the request does not fit; the message says why.
    """
    try:
        validate_question(asked.question)
        solver = desk.solver(asked.config)
        work = desk.start(_run(desk, solver, asked, ProgressReporter(send=send)))
        return Solution.from_result(await await_or_cancel(work, request))
    except NoAnswerError as error:
        desk.store_result(error.result)
        where = f"What each sample did: a2r://runs/{error.result.run_id}"
        raise ToolError(f"{one_line(str(error))}\n{where}") from error
    except A2RError as error:
        raise ToolError(one_line(str(error))) from error
    except ClientDisconnectedError as error:
        raise ToolError("the client hung up, and the run was cancelled") from error
    except ServerShutdownError as error:
        raise ToolError("the server ends, and the run was cancelled") from error


def limit_samples(samples: int | None, config: Config) -> dict[str, Any]:
    """As overrides, the config's waves up to so many samples; one wave of more, if it has fewer."""
    waves = config.explorer.wave_sizes
    if samples is None or samples > sum(waves):
        return ChatOptions(samples=samples).overrides(config)
    before = [sum(waves[:number]) for number in range(len(waves))]
    cut = [min(size, samples - n) for size, n in zip(waves, before, strict=True) if n < samples]
    return {"explorer.waves": cut}


async def _run(
    desk: ServerState, solver: A2R, asked: SolveRequest, telling: ProgressReporter
) -> Result:
    overrides = limit_samples(asked.samples, solver.config.config)
    beating = asyncio.create_task(telling.heartbeat(desk.heartbeat_seconds))
    last: AnyEvent | None = None
    try:
        async with aclosing(solver.astream(asked.question, overrides=overrides)) as events:
            async for event in events:
                # Kept before the client hears of the end, so that it can read it at once.
                if isinstance(event, RunFinished):
                    desk.store_result(event.result)
                await telling.report(event)
                last = event
    finally:
        beating.cancel()
        await asyncio.wait({beating})
    if not beating.cancelled():
        beating.result()
    if not isinstance(last, RunFinished):
        raise RuntimeError("the run ended without a result")
    return last.result
