"""Draw one sample: from the explorer, or in a cascade from the synthesizer's model."""

from __future__ import annotations

import asyncio
from typing import Any

from a2r._internal.logging import bound_context, get_logger, is_logged
from a2r.events import SampleFinished, SampleProgress, SampleStarted
from a2r.inference.cancellation import CancelToken
from a2r.inference.types import CallProgress, ModelReply, Request
from a2r.result import Role, Sample
from a2r.workflow.prompts import explorer_messages
from a2r.workflow.runtime import NodeRuntime
from a2r.workflow.schedule import planned_votes, remaining_plan, remaining_samples
from a2r.workflow.state import SampleTask, Task
from a2r.workflow.voting import voting_samples
from a2r.workflow.wave_monitor import WaveContext, WaveMonitor

PROGRESS_SECONDS = 0.1


async def explore(sent: SampleTask, runtime: NodeRuntime) -> dict[str, Any]:
    """One attempt; a fault makes a sample of status `failed`, no exception.

    A sample that is not needed any more is given up: status `cancelled`.
    """
    index, role, run_id = sent["index"], sent["role"], sent["task"]["run_id"]
    watch = _monitor(sent, runtime)
    with bound_context(run=run_id, role=role, sample=index):
        runtime.emit(SampleStarted(index=index, wave=sent["wave"], role=role))
        with watch.track(index) as stop:
            reply = await _call(sent, stop, runtime)
        sample = Sample(index=index, wave=sent["wave"], role=role, **reply.to_record())
        runtime.emit(SampleFinished(sample=sample))
        # Many samples may end at once: all of them are told before more is made of any.
        await asyncio.sleep(0)
        _log(sample)
        await watch.finish(sample)
    return {"samples": [sample.model_dump(mode="json")]}


async def _call(sent: SampleTask, stop: CancelToken, runtime: NodeRuntime) -> ModelReply:
    task, index, role = sent["task"], sent["index"], sent["role"]
    config = runtime.config
    told = -PROGRESS_SECONDS

    def on_progress(progress: CallProgress) -> None:
        # A sample writes hundreds of tokens a second; nobody can follow each.
        nonlocal told
        if progress.seconds - told < PROGRESS_SECONDS:
            return
        told = progress.seconds
        runtime.emit(SampleProgress(index=index, tokens=progress.deltas, seconds=progress.seconds))

    seed = runtime.models.role(role).sampling.seed
    left = runtime.time_left(task["run_id"])
    return await runtime.models.complete(
        Request(
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
            temperature=config.cascade.temperature if role == "synthesizer" else None,
            cancel_token=stop,
            pre_send_check=runtime.budget_guard("sample", task["run_id"], index),
            # Where a synthesis may follow, it writes the result: a sample is free to reason.
            response_format=None
            if task["rounds"]
            else config.answers.format_for_kind(task["kind"]),
            id=runtime.request_id_for(task["run_id"], f"sample-{index}"),
        ),
        on_progress if runtime.streaming else None,
    )


def _monitor(sent: SampleTask, runtime: NodeRuntime) -> WaveMonitor:
    """What this process sees of the sample's wave, shared with the wave's other samples."""
    task = sent["task"]
    question = runtime.run_state(task["run_id"], sent["spent"])

    def begin() -> WaveMonitor:
        earlier = [Sample.model_validate(sample) for sample in sent["earlier"]]
        start = len(earlier)
        return WaveMonitor(
            context=_wave_context(task, start + sent["size"], sent["role"], runtime),
            earlier=voting_samples(earlier, runtime.config, role=sent["role"]),
            indices=range(start, start + sent["size"]),
        )

    return question.wave_monitor(sent["wave"], begin)


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
    """The answers' kind, or `None` while the texts to come may still have a say in it."""
    if task["kind"] != "auto":
        return task["kind"]
    kind = task["asked_kind"]
    return kind if kind in ("math", "json") else None


def _log(sample: Sample) -> None:
    if not is_logged("info"):
        return
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
