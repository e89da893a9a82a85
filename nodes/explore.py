"""Draw one sample from the explorer."""

from __future__ import annotations

import time
from typing import Any

import structlog

from a2r.events import SampleFinished, SampleProgress, SampleStarted
from a2r.flow import Runtime
from a2r.logs import get_logger
from a2r.models.reply import Progress, Request
from a2r.prompting import explorer_messages
from a2r.result import Sample
from a2r.state import SampleTask

PROGRESS_SECONDS = 0.1


async def explore(sent: SampleTask, runtime: Runtime) -> dict[str, Any]:
    """One attempt of the explorer; a fault makes a sample of status `failed`, no exception."""
    task, index = sent["task"], sent["index"]
    config = runtime.config

    told = -PROGRESS_SECONDS

    def on_progress(progress: Progress) -> None:
        # A sample writes hundreds of tokens a second; nobody can follow each.
        nonlocal told
        if progress.seconds - told < PROGRESS_SECONDS:
            return
        told = progress.seconds
        runtime.emit(SampleProgress(index=index, tokens=progress.pieces, seconds=progress.seconds))

    with structlog.contextvars.bound_contextvars(run=task["run_id"], role="explorer", sample=index):
        runtime.emit(SampleStarted(index=index, wave=sent["wave"]))
        seed = config.explorer.sampling.seed
        reply = await runtime.models.complete(
            Request(
                role="explorer",
                messages=explorer_messages(
                    config.prompts, task["history"], task["question"], task["asked_kind"]
                ),
                seed=None if seed is None else seed + index,
                seconds_left=task["started_at"] + config.deadline.question - time.time(),
                affinity=task["run_id"],
            ),
            on_progress if runtime.watched else None,
        )
        sample = Sample(index=index, wave=sent["wave"], **reply.record())
        _log(sample)
        runtime.emit(SampleFinished(sample=sample))
    return {"samples": [sample.model_dump(mode="json")]}


def _log(sample: Sample) -> None:
    logger = get_logger().bind(endpoint=sample.endpoint)
    # Whether a finished text holds an answer is for `extract` to say.
    status = {} if sample.status == "answered" else {"status": sample.status}
    error = {} if sample.error is None else {"error": sample.error}
    logger.info(
        "sample finished",
        finish_reason=sample.finish_reason,
        tokens=sample.usage.completion_tokens,
        seconds=round(sample.seconds or 0.0, 3),
        **status,
        **error,
    )
    logger.debug("sample text", text=sample.text)
