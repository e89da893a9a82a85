"""Calls of the synthesizer: fit the references into its context, and call it over them."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from a2r._internal.logging import get_logger
from a2r.events import SynthesisDelta, SynthesisRestarted, SynthesisStarted
from a2r.inference.context_window import PromptSize
from a2r.inference.types import CallProgress, ModelReply, Request
from a2r.result import Synthesis
from a2r.usage import total
from a2r.workflow.budget import BudgetGuard
from a2r.workflow.prompt_rendering import BuildPrompt, MakeMessages, Messages
from a2r.workflow.reference import Reference
from a2r.workflow.reference_truncation import fit_to_length
from a2r.workflow.runtime import NodeRuntime
from a2r.workflow.state import SynthesisTask, Task

MAX_REPLY_SHARE = 0.5
REPLY_SHARE = 0.25
MAX_FIT_ATTEMPTS = 4
SHRINK_FACTOR = 0.6
MAX_REPACKS = 4


def prompt_builder(make_messages: MakeMessages, task: Task, runtime: NodeRuntime) -> BuildPrompt:
    """The function that makes the prompt of a question from references, by the config."""
    config = runtime.config

    def build_prompt(references: Sequence[Reference]) -> Messages:
        return make_messages(
            config.prompts,
            task["history"],
            task["question"],
            task["kind"],
            references,
            votes=config.references.show_votes,
            schema=config.answers.json_schema,
        )

    return build_prompt


async def fit_to_context(
    references: Sequence[Reference], build_prompt: BuildPrompt, runtime: NodeRuntime
) -> tuple[list[Reference], PromptSize]:
    """The references, truncated until prompt and reply fit the synthesizer's context, if known.

    `max_tokens` are reserved for the reply, but at most half of the context; a quarter of it
    where no limit is set.
    """
    fitted = list(references)
    size = await runtime.models.prompt_size("synthesizer", build_prompt(fitted))
    for _ in range(MAX_FIT_ATTEMPTS):
        excess = _excess(size, runtime)
        if excess <= 0:
            break
        characters = sum(len(reference.text) for reference in fitted)
        prompt = sum(len(message["content"]) for message in build_prompt(fitted))
        per_token = prompt / max(1, size.tokens)
        fitted = fit_to_length(fitted, max(1, characters - round(excess * per_token) - 1))
        size = await runtime.models.prompt_size("synthesizer", build_prompt(fitted))
    return fitted, size


async def call_synthesizer(
    synthesis_task: SynthesisTask,
    build_prompt: BuildPrompt,
    runtime: NodeRuntime,
    *,
    is_final: bool,
) -> tuple[ModelReply, list[Reference]]:
    """One call of the synthesizer over its references; the reply, and the references it read.

    When the server still rejects the prompt as too long, the references are truncated and the
    call is repeated; the usage of the reply includes all calls. With `is_final` the reply is a
    solution, and may be the result.
    """
    run_id, number = synthesis_task["task"]["run_id"], _synthesis_number(synthesis_task)
    references = [Reference.from_json(data) for data in synthesis_task["references"]]
    runtime.run_state(run_id, synthesis_task["spent"])
    budget_guard = runtime.budget_guard("synthesis", run_id, number)
    runtime.emit(
        SynthesisStarted(
            index=synthesis_task["index"],
            round=synthesis_task["round"],
            references=len(references),
            result=is_final and synthesis_task["task"]["rounds"][synthesis_task["round"] :] == [1],
        )
    )
    reply = await _call(
        synthesis_task, build_prompt(references), budget_guard, runtime, is_final=is_final
    )
    usages = [reply.usage]
    for repack in range(1, MAX_REPACKS + 1):
        if reply.error_type != "context_overflow":
            break
        characters = sum(len(reference.text) for reference in references)
        get_logger().warning("references truncated", characters=characters, error=reply.error)
        references = fit_to_length(references, max(1, round(characters * SHRINK_FACTOR)))
        reply = await _call(
            synthesis_task,
            build_prompt(references),
            budget_guard,
            runtime,
            is_final=is_final,
            repack=repack,
        )
        usages.append(reply.usage)
    return reply.with_usage(total(usages)), references


def log_synthesis(synthesis: Synthesis) -> None:
    """Log how a synthesis ended."""
    get_logger().info(
        "synthesis finished",
        status=synthesis.status,
        endpoint=synthesis.endpoint,
        tokens=synthesis.usage.completion_tokens,
        error=synthesis.error,
    )


def _synthesis_number(synthesis_task: SynthesisTask) -> int:
    """The number of syntheses planned before this one."""
    return (
        sum(synthesis_task["task"]["rounds"][: synthesis_task["round"]]) + synthesis_task["index"]
    )


async def _call(
    synthesis_task: SynthesisTask,
    messages: Messages,
    budget_guard: BudgetGuard,
    runtime: NodeRuntime,
    *,
    is_final: bool,
    repack: int = 0,
) -> ModelReply:
    task, index, round_ = synthesis_task["task"], synthesis_task["index"], synthesis_task["round"]
    config, number = runtime.config, _synthesis_number(synthesis_task)
    attempt: int | None = None

    def on_progress(progress: CallProgress) -> None:
        nonlocal attempt
        if attempt not in (None, progress.attempt):
            runtime.emit(SynthesisRestarted(index=index, round=round_))
        attempt = progress.attempt
        runtime.emit(
            SynthesisDelta(
                index=index,
                round=round_,
                text=progress.text,
                thinking=progress.thinking,
                retracts=progress.retracts,
            )
        )

    call = f"synthesis-{number}{f'-smaller-{repack}' if repack else ''}"
    seed = runtime.models.role("synthesizer").sampling.seed
    left = runtime.time_left(task["run_id"])
    with structlog.contextvars.bound_contextvars(
        run=task["run_id"], role="synthesizer", sample=number
    ):
        return await runtime.models.complete(
            Request(
                role="synthesizer",
                messages=messages,
                seed=None if seed is None else seed + number,
                timeout=left.seconds,
                timeout_reason=left.budget,
                affinity_key=task["run_id"],
                client=runtime.client,
                origin=runtime.request_id,
                pre_send_check=budget_guard,
                response_format=config.answers.format_for_kind(task["kind"]) if is_final else None,
                call=call,
                id=runtime.request_id_for(task["run_id"], call),
            ),
            on_progress if runtime.streaming else None,
        )


def _excess(size: PromptSize, runtime: NodeRuntime) -> int:
    """The tokens by which a prompt exceeds its context; 0 where the context is unknown."""
    if size.context is None:
        return 0
    limit = runtime.models.role("synthesizer").sampling.max_tokens
    reply = (
        round(size.context * REPLY_SHARE)
        if limit is None
        else min(limit, round(size.context * MAX_REPLY_SHARE))
    )
    return size.tokens + reply - size.context
