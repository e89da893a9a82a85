"""Let the synthesizer reason over the samples and write its own solution."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import structlog

from a2r import answers
from a2r.answers import Settings
from a2r.config import EMBEDDED, Config
from a2r.events import SynthesisDelta, SynthesisFinished, SynthesisStarted
from a2r.flow import Runtime
from a2r.logs import get_logger
from a2r.models.reply import ChatMessage, Progress, Reply, Request
from a2r.prompting import shuffled, synthesizer_messages, trimmed
from a2r.result import Synthesis
from a2r.state import State, Task, samples_of

CHARACTERS_PER_TOKEN = 3
PROMPT_TOKENS = 320


async def synthesize(state: State, runtime: Runtime) -> dict[str, Any]:
    """The synthesizer's attempts over the answer parts of the finished samples, shuffled."""
    task = state["task"]
    config = runtime.config
    role = runtime.models.role("synthesizer")
    texts = [sample.text for sample in samples_of(state) if sample.finished]
    references = trimmed(shuffled(texts, role.sampling.seed, task["question"]), _room(config, task))
    messages = synthesizer_messages(
        config.prompts, task["history"], task["question"], task["kind"], references
    )
    runtime.emit(SynthesisStarted(references=len(references)))
    attempts = await asyncio.gather(
        *(_attempt(index, task, messages, runtime) for index in range(sum(role.wave_sizes)))
    )
    runtime.emit(SynthesisFinished(synthesis=attempts))
    return {"synthesis": [attempt.model_dump(mode="json") for attempt in attempts]}


async def _attempt(
    index: int, task: Task, messages: list[ChatMessage], runtime: Runtime
) -> Synthesis:
    config = runtime.config

    def on_progress(progress: Progress) -> None:
        runtime.emit(SynthesisDelta(index=index, text=progress.text, thinking=progress.thinking))

    seed = runtime.models.role("synthesizer").sampling.seed
    with structlog.contextvars.bound_contextvars(
        run=task["run_id"], role="synthesizer", sample=index
    ):
        reply = await runtime.models.complete(
            Request(
                role="synthesizer",
                messages=messages,
                seed=None if seed is None else seed + index,
                seconds_left=task["started_at"] + config.deadline.question - time.time(),
                affinity=task["run_id"],
            ),
            on_progress if runtime.watched else None,
        )
        synthesis = await asyncio.to_thread(_read, reply, index, task, config.answers.settings)
        get_logger().info(
            "synthesis finished",
            status=synthesis.status,
            endpoint=synthesis.endpoint,
            tokens=synthesis.usage.completion_tokens,
            error=synthesis.error,
        )
    return synthesis


def _read(reply: Reply, index: int, task: Task, settings: Settings) -> Synthesis:
    status, answer, how = reply.status, None, None
    if status == "answered":
        extracted = answers.extract(reply.text, task["kind"], task["question"], settings)
        if extracted:
            answer, how = extracted.text, extracted.how
        elif task["kind"] == "text":
            # An open question's answer is the solution itself, unless a phrase names it.
            answer = reply.text
        status = "answered" if answer is not None else "abstained"
    found = {"index": index, "round": 0, "status": status, "answer": answer, "how": how}
    return Synthesis.model_validate(reply.record() | found)


def _room(config: Config, task: Task) -> int | None:
    """Characters for the references where the context's size is known, which is the engine's."""
    role = config.synthesizer
    if role is None or EMBEDDED not in role.endpoints:
        return None
    kept = PROMPT_TOKENS + (role.sampling.max_tokens or config.engine.context // 4)
    spoken = len(task["question"]) + sum(len(m["content"]) for m in task["history"])
    return max(1, (config.engine.context - kept) * CHARACTERS_PER_TOKEN - spoken)
