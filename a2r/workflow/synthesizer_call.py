"""What the nodes of the second stage share: making references fit, and asking the synthesizer."""

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
from a2r.workflow.prompts import BuildPrompt, MakeMessages, Messages
from a2r.workflow.reference_selection import Reference, fit_to_length
from a2r.workflow.runtime import NodeRuntime
from a2r.workflow.state import SynthesisTask, Task

MAX_REPLY_SHARE = 0.5
REPLY_SHARE = 0.25
MAX_FIT_ATTEMPTS = 4
SHRINK_FACTOR = 0.6
MAX_REPACKS = 4


def prompt_builder(make: MakeMessages, task: Task, runtime: NodeRuntime) -> BuildPrompt:
    """What turns references into the prompt of a question, by a template of the config."""
    config = runtime.config

    def pack(references: Sequence[Reference]) -> Messages:
        return make(
            config.prompts,
            task["history"],
            task["question"],
            task["kind"],
            references,
            votes=config.references.show_votes,
            schema=config.answers.json_schema,
        )

    return pack


async def fit_to_context(
    references: Sequence[Reference], pack: BuildPrompt, runtime: NodeRuntime
) -> tuple[list[Reference], PromptSize]:
    """The references cut down until prompt and reply fit the synthesizer's context, if known.

    The reply is left `max_tokens`, but at most half of the context; a quarter where no limit is
    set.
    """
    kept = list(references)
    size = await runtime.models.prompt_size("synthesizer", pack(kept))
    for _ in range(MAX_FIT_ATTEMPTS):
        excess = _excess(size, runtime)
        if excess <= 0:
            break
        written = sum(len(reference.text) for reference in kept)
        spoken = sum(len(message["content"]) for message in pack(kept))
        rate = spoken / max(1, size.tokens)
        kept = fit_to_length(kept, max(1, written - round(excess * rate) - 1))
        size = await runtime.models.prompt_size("synthesizer", pack(kept))
    return kept, size


async def call_synthesizer(
    sent: SynthesisTask, pack: BuildPrompt, runtime: NodeRuntime, *, writes: bool
) -> tuple[ModelReply, list[Reference]]:
    """One call of the synthesizer over its references, and the references that it was shown.

    When the server still says that the context is too long, they are packed smaller and it is
    asked again; what all its calls cost is in the reply. `writes` says that it writes a solution.
    """
    run_id, number = sent["task"]["run_id"], _synthesis_number(sent)
    references = [Reference.from_json(data) for data in sent["references"]]
    runtime.run_state(run_id, sent["spent"])
    permit = runtime.budget_guard("synthesis", run_id, number)
    runtime.emit(
        SynthesisStarted(
            index=sent["index"],
            round=sent["round"],
            references=len(references),
            result=writes and sent["task"]["rounds"][sent["round"] :] == [1],
        )
    )
    reply = await _call(sent, pack(references), permit, runtime, writes=writes)
    usages = [reply.usage]
    for again in range(1, MAX_REPACKS + 1):
        if reply.error_type != "context_overflow":
            break
        written = sum(len(reference.text) for reference in references)
        get_logger().warning("references packed smaller", characters=written, error=reply.error)
        references = fit_to_length(references, max(1, round(written * SHRINK_FACTOR)))
        reply = await _call(sent, pack(references), permit, runtime, writes=writes, again=again)
        usages.append(reply.usage)
    return reply.with_usage(total(usages)), references


def log_synthesis(synthesis: Synthesis) -> None:
    """Tell how an attempt of the synthesizer ended."""
    get_logger().info(
        "synthesis finished",
        status=synthesis.status,
        endpoint=synthesis.endpoint,
        tokens=synthesis.usage.completion_tokens,
        error=synthesis.error,
    )


def _synthesis_number(sent: SynthesisTask) -> int:
    """How many syntheses are planned before this one."""
    return sum(sent["task"]["rounds"][: sent["round"]]) + sent["index"]


async def _call(
    sent: SynthesisTask,
    messages: Messages,
    permit: BudgetGuard,
    runtime: NodeRuntime,
    *,
    writes: bool,
    again: int = 0,
) -> ModelReply:
    task, index, round_ = sent["task"], sent["index"], sent["round"]
    config, number = runtime.config, _synthesis_number(sent)
    told: int | None = None

    def on_progress(progress: CallProgress) -> None:
        nonlocal told
        if told not in (None, progress.attempt):
            runtime.emit(SynthesisRestarted(index=index, round=round_))
        told = progress.attempt
        runtime.emit(
            SynthesisDelta(
                index=index, round=round_, text=progress.text, thinking=progress.thinking
            )
        )

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
                pre_send_check=permit,
                response_format=config.answers.format_for_kind(task["kind"]) if writes else None,
                id=runtime.request_id_for(
                    task["run_id"], f"synthesis-{number}{f'-smaller-{again}' if again else ''}"
                ),
            ),
            on_progress if runtime.streaming else None,
        )


def _excess(size: PromptSize, runtime: NodeRuntime) -> int:
    """By how many tokens a prompt is too long for its context; 0 where that is not known."""
    if size.context is None:
        return 0
    limit = runtime.models.role("synthesizer").sampling.max_tokens
    reply = (
        round(size.context * REPLY_SHARE)
        if limit is None
        else min(limit, round(size.context * MAX_REPLY_SHARE))
    )
    return size.tokens + reply - size.context
