"""A question that `update_state` changes while a run is interrupted.

It takes effect with the next calls to models: the first wave, or the syntheses. The samples and
their votes belong to the question that they answer. A change that no call can read any more is
refused.
"""

from __future__ import annotations

from typing import Any

from langchain_core.messages import HumanMessage

from a2r.errors import QuestionError
from a2r.workflow.state import State, changed_question, current_task, with_question


def apply_change(state: State) -> dict[str, Any]:
    """The update of a node that lets a changed question take effect; empty without a change."""
    changed = changed_question(state)
    if changed is None:
        return {"question": None}
    task = with_question(state["task"], changed)
    name = task.get("message_id")
    known = any(message.id == name for message in state.get("messages") or [])
    return {
        "task": task,
        "question": None,
        "messages": [HumanMessage(changed, id=name)] if name is not None and known else [],
    }


def change_warnings(state: State) -> list[str]:
    """The warning that the samples answer another question than the result's."""
    if changed_question(state) is None or not state["samples"]:
        return []
    return [f"the question was changed after {len(state['samples'])} samples"]


def require_effect(state: State) -> None:
    """Check that a changed question is the one that models have read.

    Raises:
        QuestionError: nothing has read it, and nothing will.
    """
    if changed_question(state) is not None and current_task(state) is state["task"]:
        raise QuestionError(
            "the question was changed after the last call to a model, so that no model reads it: "
            "ask it as a new question, or change it back"
        )
