"""Find the answers in the samples of a wave."""

from __future__ import annotations

from typing import Any

from a2r import answers
from a2r.answers import Kind, Settings
from a2r.result import Sample
from a2r.workflow.runtime import NodeRuntime
from a2r.workflow.state import State, Task
from a2r.workflow.voting import extract_answer, run_off_loop


async def extract(state: State, runtime: NodeRuntime) -> dict[str, Any]:
    """Give each finished sample its answer, or status `abstained` where it has none.

    What `auto` means is decided here, once a question, when the first wave is in.
    """
    task = state["task"]
    settings = runtime.config.answers.settings
    samples = runtime.samples(state)
    kind, found = await run_off_loop(
        lambda: _extract_all(task, samples, settings),
        [task["question"], *(one.text for one in samples)],
        settings,
    )
    return {
        "task": {**task, "kind": kind},
        "samples": [sample.model_dump(mode="json") for sample in found],
    }


def _extract_all(
    task: Task, samples: list[Sample], settings: Settings
) -> tuple[Kind, list[Sample]]:
    kind = task["kind"]
    if kind == "auto":
        texts = [sample.text for sample in samples if sample.text]
        kind = answers.infer_kind(task["question"], texts)
    return kind, [extract_answer(sample, kind, task["question"], settings) for sample in samples]
