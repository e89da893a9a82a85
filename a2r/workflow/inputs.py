"""The input, context and runnable config of a run, from what the caller gives."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping, Sequence, Set
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config

from a2r._internal.argument_types import check_overrides
from a2r._internal.task_isolation import EventSink
from a2r.errors import QuestionError
from a2r.events import AnyEvent
from a2r.inference.types import ChatMessage
from a2r.workflow.chat_messages import (
    Chat,
    known_roles,
    message_text,
    to_messages,
    validate_question,
)
from a2r.workflow.runtime import SINK_KEY, VALIDATED_KEY
from a2r.workflow.state import Context, Input
from a2r.workflow.workflow import Workflow

Question = str | Chat
Questions = Iterable[Question] | AsyncIterable[Question]
Overrides = Mapping[str, Any]


def split_history(
    messages: Sequence[BaseMessage],
) -> tuple[str, list[ChatMessage], BaseMessage]:
    """The text of the last user message, the chat before it, and the message itself.

    Raises:
        QuestionError: there is no such message, or one that is not text.
    """
    chat = known_roles(messages)
    last = max((i for i, m in enumerate(chat) if isinstance(m, HumanMessage)), default=None)
    if last is None:
        raise QuestionError("input contains no question and no user message")
    return validate_question(message_text(chat[last])), _history(chat[:last]), messages[last]


def _history(messages: Sequence[BaseMessage]) -> list[ChatMessage]:
    roles: dict[type, str] = {SystemMessage: "system", HumanMessage: "user", AIMessage: "assistant"}
    return [
        ChatMessage(role=role, content=text)
        for message in messages
        for kind, role in roles.items()
        if isinstance(message, kind) and (text := message_text(message))
    ]


def to_graph_input(question: Question) -> Input:
    """A question as the input of a graph, checked before any model starts.

    Raises:
        QuestionError: it is empty or not text.
    """
    if isinstance(question, str):
        return {"question": validate_question(question)}
    messages = to_messages(question)
    split_history(messages)
    return {"messages": messages}


def validate_questions(questions: object) -> Questions:
    """The questions of a batch: a list, or an iterator that may be asynchronous.

    Raises:
        QuestionError: it is a single question, or no list of questions.
    """
    # These are iterable, too, but no lists of questions.
    others = (str, bytes, bytearray, Mapping, Set, BaseMessage, PromptValue)
    if isinstance(questions, others) or not isinstance(questions, Iterable | AsyncIterable):
        raise QuestionError(
            "a batch is a list of questions, each a text or a chat, not "
            f"{type(questions).__name__}: pass [question], or use ask for a single question"
        )
    return questions


async def numbered(questions: Questions) -> AsyncGenerator[tuple[int, Question], None]:
    """Yield the questions with their numbers, from 0."""
    number = 0
    if isinstance(questions, AsyncIterable):
        async for question in questions:
            yield number, question
            number += 1
        return
    for question in questions:
        yield number, question
        number += 1


def to_context(overrides: Overrides | None) -> Context | None:
    """Overrides as the runtime context of one run."""
    return Context(a2r=dict(values)) if (values := check_overrides(overrides)) else None


def to_run_config(
    config: RunnableConfig, workflow: Workflow, sink: EventSink[AnyEvent] | None = None
) -> RunnableConfig:
    """The config of a run whose input is checked, and whose events only `sink` reads.

    Without a sink, a graph around the run, or a reader that the config names, still gets the
    events; the sink of a surrounding run is not inherited.
    """
    configurable = config.get("configurable") or {}
    surrounding = (var_child_runnable_config.get() or {}).get("configurable")
    is_alone = not surrounding and set(configurable) <= {"thread_id"}
    owner = (workflow, sink) if sink is not None or is_alone else None
    return {
        **config,
        "configurable": {**configurable, SINK_KEY: owner, VALIDATED_KEY: workflow},
    }
