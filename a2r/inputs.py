"""What a graph is run with: a question, overrides that hold for it, and who follows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AnyMessage
from langchain_core.runnables import RunnableConfig

from a2r.apart import Sink
from a2r.events import AnyEvent
from a2r.flow import SINK, Flow
from a2r.questions import checked_question, question_of_messages
from a2r.state import Context, Input

Question = str | Sequence[AnyMessage]
Overrides = Mapping[str, Any]


def input_of(question: Question) -> Input:
    """A question as input of a graph; refused here already, before a model is started for it.

    Raises:
        QuestionError: it is empty or not text.
    """
    if isinstance(question, Sequence) and not isinstance(question, str):
        question_of_messages(question)
        return {"messages": list(question)}
    return {"question": checked_question(question)}


def context_of(overrides: Overrides | None) -> Context | None:
    """Overrides as the runtime context of one run."""
    return Context(a2r=dict(overrides)) if overrides else None


def with_sink(config: RunnableConfig, sink: tuple[Flow, Sink[AnyEvent]] | None) -> RunnableConfig:
    """The config with a flow's sink; with none, that of a run around this one is not inherited."""
    return {**config, "configurable": {**(config.get("configurable") or {}), SINK: sink}}
