"""Find the run on a thread that `resume` continues."""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver

from a2r.errors import ConfigError, RunNotFoundError
from a2r.persistence.queries import last_run
from a2r.persistence.run_record import Run
from a2r.workflow.workflow import Workflow


async def load_resumable_run(
    workflow: Workflow, saver: BaseCheckpointSaver[Any] | None, config: RunnableConfig | None
) -> Run:
    """The last run of the config's thread.

    Raises:
        RunNotFoundError: there is no checkpointer, no thread ID, or no run on the thread.
        ConfigError: the run was started with another graph.
    """
    thread = ((config or {}).get("configurable") or {}).get("thread_id")
    if saver is None or thread is None:
        raise RunNotFoundError("resuming a run requires a checkpointer and a thread_id")
    run = await last_run(saver, str(thread))
    if run is None:
        raise RunNotFoundError(f"no run on thread {thread!r}")
    graph = workflow.loaded.config.graph
    if run.result is None and run.graph not in (None, graph):
        raise ConfigError(
            f"the run on thread {thread!r} was started with graph {run.graph!r}, config "
            f"{workflow.loaded.name!r} has {graph!r}: resume it with graph={run.graph}"
        )
    return run


def restart(workflow: Workflow, run: Run) -> None:
    """Start a stored run in this process, with its usage so far."""
    if run.run_id is not None:
        # The deadline starts again, even in the process that started the run; what the run
        # has used still counts towards its budgets.
        runs = workflow.models.runs
        runs.finish(run.run_id)
        runs.get_or_start(run.run_id, run.usage.model_dump())
