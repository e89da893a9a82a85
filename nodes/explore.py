"""Draw one sample: from the explorer, or in a cascade from the synthesizer's model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from a2r._internal.logging import bound_context, get_logger, is_logged
from a2r.events import SampleFinished, SampleProgress, SampleStarted
from a2r.inference.cancel_token import CancelToken
from a2r.inference.types import CallProgress, Request
from a2r.result import Role, Sample
from a2r.workflow.answer_recovery import recover_answer
from a2r.workflow.early_cancellation import WaveContext, WaveMonitor
from a2r.workflow.prompt_rendering import explorer_messages
from a2r.workflow.runtime import NodeRuntime
from a2r.workflow.schedule import planned_votes, remaining_plan, remaining_samples
from a2r.workflow.state import SampleTask, Task
from a2r.workflow.voting import voting_samples

PROGRESS_SECONDS = 0.1


async def explore(sample_task: SampleTask, runtime: NodeRuntime) -> dict[str, Any]:
    """Draw one sample; an error makes a sample of status `failed`, not an exception.

    A sample that cannot change the outcome any more is cancelled: status `cancelled`.
    """
    index, role, run_id = sample_task["index"], sample_task["role"], sample_task["task"]["run_id"]
    monitor = _monitor(sample_task, runtime)
    with bound_context(run=run_id, role=role, sample=index):
        if runtime.has_reader:
            runtime.emit(SampleStarted(index=index, wave=sample_task["wave"], role=role))
        with monitor.track(index) as stop:
            request = _request(sample_task, stop, runtime)
            reply = await runtime.models.complete(request, _progress_emitter(index, runtime))
            sample = Sample(index=index, wave=sample_task["wave"], role=role, **reply.to_record())
            if runtime.config.answers.recover:
                sample = await recover_answer(sample, sample_task["task"], request, runtime)
        if runtime.has_reader:
            runtime.emit(SampleFinished(sample=sample))
        # Many samples may finish at once: emit all of their events before the votes are counted.
        await asyncio.sleep(0)
        _log(sample)
        await monitor.finish(sample)
    record = sample.model_dump(mode="json")
    runtime.run_state(run_id).remember(record, sample)
    return {
        "samples": [record],
        "asked_question": sample_task["task"]["question"],
    }


def _progress_emitter(index: int, runtime: NodeRuntime) -> Callable[[CallProgress], None] | None:
    """What emits the progress of a sample, if anyone reads it."""
    if not runtime.streaming:
        return None
    last_emitted = -PROGRESS_SECONDS

    def on_progress(progress: CallProgress) -> None:
        # A sample streams hundreds of tokens a second: one event for each is too much.
        nonlocal last_emitted
        if progress.seconds - last_emitted < PROGRESS_SECONDS:
            return
        last_emitted = progress.seconds
        runtime.emit(SampleProgress(index=index, tokens=progress.deltas, seconds=progress.seconds))

    return on_progress


def _request(sample_task: SampleTask, stop: CancelToken, runtime: NodeRuntime) -> Request:
    task, index, role = sample_task["task"], sample_task["index"], sample_task["role"]
    config = runtime.config
    seed = runtime.models.role(role).sampling.seed
    left = runtime.time_left(task["run_id"])
    return Request(
        role=role,
        messages=explorer_messages(
            config.prompts,
            task["history"],
            task["question"],
            task["asked_kind"],
            schema=config.answers.json_schema,
        ),
        seed=None if seed is None else seed + index,
        timeout=left.seconds,
        timeout_reason=left.budget,
        affinity_key=task["run_id"],
        client=runtime.client,
        origin=runtime.request_id,
        temperature=config.cascade.temperature if role == "synthesizer" else None,
        cancel_token=stop,
        pre_send_check=runtime.budget_guard("sample", task["run_id"], index),
        # Where a synthesis may follow, the synthesis has the response format.
        response_format=None if task["rounds"] else config.answers.format_for_kind(task["kind"]),
        call=(call := f"sample-{index}"),
        id=runtime.request_id_for(task["run_id"], call),
    )


def _monitor(sample_task: SampleTask, runtime: NodeRuntime) -> WaveMonitor:
    """The monitor of the sample's wave, shared by the samples of the wave in this process."""
    task = sample_task["task"]
    run = runtime.run_state(task["run_id"], sample_task["spent"])

    def new_monitor() -> WaveMonitor:
        earlier = [Sample.model_validate(sample) for sample in sample_task["earlier"]]
        start = len(earlier)
        return WaveMonitor(
            context=_wave_context(task, start + sample_task["size"], sample_task["role"], runtime),
            earlier=voting_samples(earlier, runtime.config, role=sample_task["role"]),
            indices=range(start, start + sample_task["size"]),
        )

    return run.wave_monitor(sample_task["wave"], new_monitor)


def _wave_context(task: Task, done: int, role: Role, runtime: NodeRuntime) -> WaveContext:
    config = runtime.config
    return WaveContext(
        gate=runtime.gate,
        plan=remaining_plan(task, done, role, config),
        stop=config.stop,
        settings=config.answers.settings,
        question=task["question"],
        kind=_certain_kind(task),
        total=planned_votes(task, role, config),
        left=remaining_samples(task, done),
        guesses_agree=config.answers.last_number == "unanimity",
    )


def _certain_kind(task: Task) -> Any:
    """The answer kind, or `None` while the texts of running samples may still change it."""
    if task["kind"] != "auto":
        return task["kind"]
    kind = task["asked_kind"]
    return kind if kind in ("math", "json") else None


def _log(sample: Sample) -> None:
    if not is_logged("info"):
        return
    logger = get_logger().bind(endpoint=sample.endpoint)
    # `extract` decides later whether a finished text holds an answer.
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
