"""Draw one sample: from the explorer, or in a cascade from the synthesizer's model."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from a2r._internal.logging import get_logger
from a2r.config import RoleName
from a2r.events import SampleFinished, SampleProgress, SampleStarted
from a2r.inference.cancellation import Stop
from a2r.inference.types import Progress, Reply, Request
from a2r.result import Sample
from a2r.workflow.prompts import explorer_messages
from a2r.workflow.schedule import plan_of, samples_left, votes_planned
from a2r.workflow.state import SampleTask, Task
from a2r.workflow.voting import voters
from a2r.workflow.wave_monitor import WaveRules, WaveWatch
from a2r.workflow.workflow import Runtime

PROGRESS_SECONDS = 0.1


async def explore(sent: SampleTask, runtime: Runtime) -> dict[str, Any]:
    """One attempt; a fault makes a sample of status `failed`, no exception.

    A sample that is not needed any more is given up: status `cancelled`.
    """
    index, role, run_id = sent["index"], sent["role"], sent["task"]["run_id"]
    watch = _watch(sent, runtime)
    with structlog.contextvars.bound_contextvars(run=run_id, role=role, sample=index):
        runtime.emit(SampleStarted(index=index, wave=sent["wave"], role=role))
        with watch.place(index) as stop:
            reply = await _call(sent, stop, runtime)
        sample = Sample(index=index, wave=sent["wave"], role=role, **reply.record())
        runtime.emit(SampleFinished(sample=sample))
        # Many samples may end at once: all of them are told before more is made of any.
        await asyncio.sleep(0)
        _log(sample)
        await watch.end(sample)
    return {"samples": [sample.model_dump(mode="json")]}


async def _call(sent: SampleTask, stop: Stop, runtime: Runtime) -> Reply:
    task, index, role = sent["task"], sent["index"], sent["role"]
    config = runtime.config
    told = -PROGRESS_SECONDS

    def on_progress(progress: Progress) -> None:
        # A sample writes hundreds of tokens a second; nobody can follow each.
        nonlocal told
        if progress.seconds - told < PROGRESS_SECONDS:
            return
        told = progress.seconds
        runtime.emit(SampleProgress(index=index, tokens=progress.pieces, seconds=progress.seconds))

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
            seconds_left=left.seconds,
            out_of_time=left.budget,
            affinity=task["run_id"],
            temperature=config.cascade.temperature if role == "synthesizer" else None,
            stop=stop,
            refusal=runtime.permit("sample", task["run_id"], index),
            # Where a synthesis may follow, it writes the result: a sample is free to reason.
            response_format=None if task["rounds"] else config.answers.format_of(task["kind"]),
            id=runtime.call_id(task["run_id"], f"sample-{index}"),
        ),
        on_progress if runtime.watched else None,
    )


def _watch(sent: SampleTask, runtime: Runtime) -> WaveWatch:
    """What this process sees of the sample's wave, shared with the wave's other samples."""
    task = sent["task"]
    question = runtime.question(task["run_id"], sent["spent"])

    def begin() -> WaveWatch:
        earlier = [Sample.model_validate(sample) for sample in sent["earlier"]]
        start = len(earlier)
        return WaveWatch(
            rules=_rules(task, start + sent["size"], sent["role"], runtime),
            earlier=voters(earlier, runtime.config, role=sent["role"]),
            indices=range(start, start + sent["size"]),
        )

    return question.watch(sent["wave"], begin)


def _rules(task: Task, done: int, role: RoleName, runtime: Runtime) -> WaveRules:
    config = runtime.config
    return WaveRules(
        gate=runtime.gate,
        plan=plan_of(task, done, role, config),
        stop=config.stop,
        settings=config.answers.settings,
        question=task["question"],
        kind=_certain_kind(task),
        total=votes_planned(task, role, config),
        left=samples_left(task, done),
        guesses_agree=config.answers.last_number == "unanimity",
    )


def _certain_kind(task: Task) -> Any:
    """The answers' kind, or `None` while the texts to come may still have a say in it."""
    if task["kind"] != "auto":
        return task["kind"]
    kind = task["asked_kind"]
    return kind if kind in ("math", "json") else None


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
