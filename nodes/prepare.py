"""Start a run: read the question from the input, plan its waves, and reset the state."""

from __future__ import annotations

import time
import uuid
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage

from a2r.answers import infer_kind
from a2r.config import Config
from a2r.errors import BudgetError
from a2r.events import RunStarted
from a2r.inference.types import ChatMessage
from a2r.workflow.budget import affordable_samples, question_usage, session_usage
from a2r.workflow.chat_messages import validate_question
from a2r.workflow.inputs import split_history
from a2r.workflow.runtime import NodeRuntime
from a2r.workflow.state import State, Task, Wave
from a2r.workflow.voting import run_off_loop


async def prepare(
    state: State,
    runtime: NodeRuntime,
    *,
    cascade: bool = False,
    rounds: bool = False,
    synthesis: bool = True,
    single: bool = False,
) -> dict[str, Any]:
    """Reset what belongs to one question and set up its task.

    With `cascade`, waves of the synthesizer's model may follow those of the explorer; with
    `rounds`, there may be more than one round of syntheses; without `synthesis`, none: where the
    rule would synthesize, the vote decides. With `single`, there is one sample in all; its prompt
    has no instructions for an answer, unless that is to be JSON.

    Raises:
        QuestionError: the input holds no question, or one that is not text.
        BudgetError: the budgets allow no sample.
    """
    config = runtime.config
    question, history, message = _read_question(state, runtime)
    await runtime.models.warm_up()
    configured = config.requested_kind
    kind = configured
    if single and configured != "json":
        configured = kind = "text"
    elif configured == "auto":
        kind = await run_off_loop(lambda: infer_kind(question), [question], config.answers.settings)
    run_id, started_at = uuid.uuid4().hex, time.time()
    # No other node knows the run yet.
    with runtime.models.runs.finish_on_error(run_id):
        planned = _planned_waves(config, cascade=cascade, single=single)
        waves = _affordable_waves(planned, run_id, runtime)
        left = runtime.time_left(run_id).seconds
        await runtime.models.admit(run_id, waves[0]["size"], left)
    task = Task(
        run_id=run_id,
        question=question,
        history=history,
        asked_kind=kind,
        kind=configured,
        waves=waves,
        cut=waves != planned,
        rounds=_planned_rounds(config)[: _max_rounds(rounds, synthesis and not single)],
        started_at=started_at,
        message_id=message.id,
    )
    max_samples = sum(wave["size"] for wave in waves)
    runtime.emit(RunStarted(run_id=run_id, question=question, kind=kind, samples=max_samples))
    return {
        "question": None,
        "messages": [] if state.get("question") is None else [message],
        "asked_question": None,
        "task": task,
        "samples": None,
        "clusters": [],
        "gate": None,
        "decisions": None,
        "references": [],
        "round": -1,
        "synthesis": None,
        "warnings": None,
        "answer": None,
        "result": {},
    }


def _read_question(
    state: State, runtime: NodeRuntime
) -> tuple[str, list[ChatMessage], BaseMessage]:
    """The question, the chat before it, and its message."""
    text = state.get("question")
    if text is not None:
        question = text if runtime.is_validated else validate_question(text)
        return question, [], HumanMessage(question, id=str(uuid.uuid4()))
    return split_history(state.get("messages") or [])


def _planned_waves(config: Config, *, cascade: bool, single: bool) -> list[Wave]:
    if single:
        return [Wave(role="explorer", size=1)]
    waves = [Wave(role="explorer", size=size) for size in config.explorer.wave_sizes]
    if cascade and config.synthesizer is not None:
        waves += [Wave(role="synthesizer", size=size) for size in config.cascade.waves]
    return waves


def _affordable_waves(waves: list[Wave], run_id: str, runtime: NodeRuntime) -> list[Wave]:
    """The waves that the budgets' numbers of samples allow, the last one cut short."""
    questions = runtime.models.runs
    left = affordable_samples(
        runtime.config.budget,
        question_usage(runtime.run_state(run_id), samples=0, syntheses=0),
        session_usage(questions, runtime.models.ledger.total()),
    )
    if left is None:
        return waves
    affordable: list[Wave] = []
    for wave in waves:
        if left > 0:
            affordable.append(Wave(role=wave["role"], size=min(left, wave["size"])))
        left -= wave["size"]
    if not affordable:
        raise BudgetError("the budget allows no sample: raise budget.question or budget.session")
    return affordable


def _max_rounds(rounds: bool, synthesis: bool) -> int | None:
    if not synthesis:
        return 0
    return None if rounds else 1


def _planned_rounds(config: Config) -> list[int]:
    """The numbers of syntheses of each round."""
    if config.synthesizer is None:
        return []
    if config.synthesis.rounds is not None:
        return list(config.synthesis.rounds)
    return [config.synthesizer.samples or 1]
