"""Decide what happens after a wave."""

from __future__ import annotations

from typing import Any

from a2r.events import GateDecided
from a2r.flow import Runtime
from a2r.gates import Votes, decide
from a2r.logs import get_logger
from a2r.result import Cluster
from a2r.state import State, samples_of


async def gate(state: State, runtime: Runtime) -> dict[str, Any]:
    """Accept, sample more, or synthesize: by the config's rule, on the samples so far."""
    samples = samples_of(state)
    task = state["task"]
    counts_guesses = runtime.config.answers.last_number == "unanimity"
    votes = Votes(
        started=len(samples),
        finished=sum(sample.finished for sample in samples),
        answered=sum(sample.status == "answered" for sample in samples),
        guessed=0 if counts_guesses else sum(sample.how == "last_number" for sample in samples),
        clusters=[Cluster.model_validate(group) for group in state["clusters"]],
        waves_left=len(task["waves"]) - 1 - samples[-1].wave,
        can_synthesize=runtime.config.synthesizer is not None,
    )
    report = decide(runtime.config.gate, votes)
    get_logger().info(
        "gate decided", run=task["run_id"], decision=report.decision, reason=report.reason
    )
    runtime.emit(GateDecided(gate=report))
    return {"gate": report.model_dump(mode="json")}
