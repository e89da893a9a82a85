"""Select the references of the next round of syntheses, and fit them into the context."""

from __future__ import annotations

from typing import Any

from a2r.events import ReferencesPacked
from a2r.result import Attempt, Cluster, Sample
from a2r.workflow.prompt_rendering import MakeMessages, synthesizer_messages
from a2r.workflow.question_update import apply_change, change_warnings
from a2r.workflow.reference import Reference
from a2r.workflow.reference_selection import select_references
from a2r.workflow.runtime import NodeRuntime
from a2r.workflow.state import State, next_task
from a2r.workflow.synthesizer_call import fit_to_context, prompt_builder
from a2r.workflow.voting import cluster_answers


async def pack(
    state: State, runtime: NodeRuntime, *, make_messages: MakeMessages = synthesizer_messages
) -> dict[str, Any]:
    """The references by the config's policy: of the samples, or of the last round's syntheses.

    They are truncated until the prompt that `make_messages` builds fits the synthesizer's
    context, where that is known.
    """
    task, config = next_task(state), runtime.config
    attempts = _candidates(state, runtime)
    clusters = await _clusters(attempts, state, runtime)
    selected = select_references(
        attempts,
        clusters,
        config.references,
        seed=runtime.models.role("synthesizer").sampling.seed,
        question=task["question"],
    )

    fitted, size = await fit_to_context(
        selected, prompt_builder(make_messages, task, runtime), runtime
    )
    number = state["round"] + 1
    runtime.emit(
        ReferencesPacked(
            round=number,
            references=len(fitted),
            left_out=len(attempts) - len(fitted),
            cut=_count_truncated(selected, fitted),
            tokens=size.tokens,
            exact=size.exact,
        )
    )
    return {
        "references": [reference.to_json() for reference in fitted],
        "round": number,
        "warnings": [*change_warnings(state), *_truncation_warning(selected, fitted)],
        **apply_change(state),
    }


def _candidates(state: State, runtime: NodeRuntime) -> list[Attempt]:
    """The finished syntheses of the last round, or the samples where there are none."""
    last = [attempt for attempt in runtime.syntheses(state) if attempt.round == state["round"]]
    finished: list[Attempt] = [attempt for attempt in last if attempt.finished]
    return finished or list(runtime.samples(state))


async def _clusters(attempts: list[Attempt], state: State, runtime: NodeRuntime) -> list[Cluster]:
    """The clusters of the attempts: those of the node `cluster`, if it saw the same ones."""
    clusters = [Cluster.model_validate(group) for group in state["clusters"]]
    clustered = {index for cluster in clusters for index in cluster.samples}
    answered = {attempt.index for attempt in attempts if attempt.answer is not None}
    if clustered == answered and all(isinstance(attempt, Sample) for attempt in attempts):
        return clusters
    task, settings = next_task(state), runtime.config.answers.settings
    return await cluster_answers(
        attempts,
        task["kind"],
        settings,
        task["question"],
        seconds_left=runtime.comparison_time(task["run_id"]),
    )


def _truncation_warning(selected: list[Reference], fitted: list[Reference]) -> list[str]:
    """The warning that the context is too small for the references of the policy."""
    left_out = len(selected) - len(fitted)
    if not left_out:
        return []
    return [
        f"the synthesizer's context has room for {len(fitted)} of {len(selected)} references"
        f"{', truncated' if _count_truncated(selected, fitted) else ''}"
    ]


def _count_truncated(before: list[Reference], after: list[Reference]) -> int:
    """The number of truncated references."""
    texts = {reference.attempt: reference.text for reference in before}
    return sum(texts[reference.attempt] != reference.text for reference in after)
