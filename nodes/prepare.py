"""Take up a question: read it from the input, and begin with a clean state."""

from __future__ import annotations

import time
import uuid
from typing import Any

from langchain_core.messages import AnyMessage, HumanMessage

from a2r.answers import infer_kind
from a2r.events import RunStarted
from a2r.flow import Runtime
from a2r.models.reply import ChatMessage
from a2r.questions import checked_question, question_of_messages
from a2r.state import State, Task


async def prepare(state: State, runtime: Runtime) -> dict[str, Any]:
    """Reset what belongs to one question and set up its task.

    Raises:
        QuestionError: the input holds no question, or one that is not text.
    """
    config = runtime.config
    question, history, messages = _question_of(state)
    await runtime.models.ready()
    kind = infer_kind(question) if config.kind == "auto" else config.kind
    task = Task(
        run_id=uuid.uuid4().hex,
        question=question,
        history=history,
        asked_kind=kind,
        kind=config.kind,
        waves=config.explorer.wave_sizes,
        started_at=time.time(),
    )
    await runtime.models.admit(task["run_id"], task["waves"][0], config.deadline.question)
    runtime.emit(
        RunStarted(run_id=task["run_id"], question=question, kind=kind, samples=sum(task["waves"]))
    )
    return {
        "question": None,
        "messages": messages,
        "task": task,
        "samples": None,
        "clusters": [],
        "gate": None,
        "synthesis": [],
        "answer": None,
        "result": {},
    }


def _question_of(state: State) -> tuple[str, list[ChatMessage], list[AnyMessage]]:
    """The question, the chat before it, and the messages that the input does not hold yet."""
    asked = state.get("question")
    if asked is not None:
        return checked_question(asked), [], [HumanMessage(asked)]
    return *question_of_messages(state.get("messages") or []), []
