"""Extract the answers of the samples of a wave."""

from __future__ import annotations

from typing import Any

from a2r import answers
from a2r.answers import Kind, Settings
from a2r.result import Sample
from a2r.workflow.early_cancellation import WaveMonitor
from a2r.workflow.question_update import apply_change
from a2r.workflow.runtime import NodeRuntime
from a2r.workflow.state import State, Task, current_task
from a2r.workflow.voting import extract_answer, run_off_loop


async def extract(state: State, runtime: NodeRuntime) -> dict[str, Any]:
    """The samples with their answers; status `abstained` for a finished text without one.

    The answer kind of `auto` is decided here, once a question, after the first wave.
    """
    task = current_task(state)
    settings = runtime.config.answers.settings
    samples = runtime.samples(state)
    run = runtime.run_state(task["run_id"])
    kind, extracted = await run_off_loop(
        lambda: _extract_all(task, samples, settings, run.last_wave_monitor),
        [task["question"], *(sample.text for sample in samples)],
        settings,
    )
    # The first wave has read a question that was changed before it.
    change = {} if task is state["task"] else apply_change(state)
    return {
        **change,
        "task": {**task, "kind": kind},
        "samples": [sample.model_dump(mode="json") for sample in extracted],
    }


def _extract_all(
    task: Task, samples: list[Sample], settings: Settings, monitor: WaveMonitor | None
) -> tuple[Kind, list[Sample]]:
    kind = task["kind"]
    if kind == "auto":
        texts = [sample.text for sample in samples if sample.text]
        kind = answers.infer_kind(task["question"], texts)
    # What the monitor extracted while the wave ran need not be extracted again.
    known = monitor.answers(kind) if monitor is not None else {}
    return kind, [
        known.get(sample.index) or extract_answer(sample, kind, task["question"], settings)
        for sample in samples
    ]
