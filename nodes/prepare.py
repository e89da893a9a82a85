"""Take up a question: read it from the input, and begin with a clean state."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage

from a2r.answers import infer_kind
from a2r.errors import QuestionError
from a2r.events import RunStarted
from a2r.flow import Runtime
from a2r.models.reply import ChatMessage
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
        return _checked(asked), [], [HumanMessage(asked)]
    messages = state.get("messages") or []
    last = max((i for i, m in enumerate(messages) if isinstance(m, HumanMessage)), default=None)
    if last is None:
        raise QuestionError("the input holds neither a question nor a message of a user")
    return _checked(_text(messages[last])), _history(messages[:last]), []


def _checked(question: str) -> str:
    if not isinstance(question, str):
        raise QuestionError(f"the question is not text but {type(question).__name__}")
    if not question.strip():
        raise QuestionError("the question is empty")
    try:
        question.encode("utf-8")
    except UnicodeEncodeError as error:
        raise QuestionError(
            f"the question is not valid Unicode (a lone surrogate at character {error.start})"
        ) from error
    return question


def _history(messages: Sequence[AnyMessage]) -> list[ChatMessage]:
    roles: dict[type, str] = {SystemMessage: "system", HumanMessage: "user", AIMessage: "assistant"}
    return [
        ChatMessage(role=role, content=text)
        for message in messages
        for kind, role in roles.items()
        if isinstance(message, kind) and (text := _text(message))
    ]


def _text(message: AnyMessage) -> str:
    if isinstance(message.content, str):
        return message.content
    for block in message.content:
        kind = "text" if isinstance(block, str) else block.get("type")
        if kind not in ("text", "reasoning", "thinking", "tool_use", "tool_call"):
            raise QuestionError(f"a message holds a part of type {kind!r}; only text can be asked")
    return str(message.text)
