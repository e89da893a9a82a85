"""Decide what happens after a wave."""

from __future__ import annotations

from typing import Any

from a2r.budget import exhausted, spent_on_question, spent_on_run
from a2r.events import GateDecided
from a2r.flow import Runtime
from a2r.gates import Plan, decide
from a2r.gates.counting import count
from a2r.logs import get_logger
from a2r.result import Cluster, GateReport
from a2r.state import State, samples_of, spent_so_far, waves_left
from a2r.votes import voters


async def gate(state: State, runtime: Runtime, *, synthesis: bool = True) -> dict[str, Any]:
    """Accept, sample more, or synthesize: by the config's rule, on the samples so far.

    Without `synthesis` the vote decides where the rule would synthesize. What a budget does not
    allow is not asked for.
    """
    task, config = state["task"], runtime.config
    report = decide(
        runtime.gate, config.gate.rule, _votes(state, runtime), _plan(state, runtime, synthesis)
    )
    report = report.model_copy(update={"wave": len(state["decisions"])})
    report, refused = _within_budget(report, state, runtime)
    get_logger().info(
        "gate decided", run=task["run_id"], decision=report.decision, reason=report.reason
    )
    runtime.emit(GateDecided(gate=report))
    decided = report.model_dump(mode="json")
    return {"gate": decided, "decisions": [decided], "warnings": refused}


def _votes(state: State, runtime: Runtime) -> Any:
    task = state["task"]
    return count(
        voters(samples_of(state), runtime.config),
        [Cluster.model_validate(group) for group in state["clusters"]],
        task["kind"],
        total=sum(wave["size"] for wave in task["waves"]),
        guesses_agree=runtime.config.answers.last_number == "unanimity",
    )


def _plan(state: State, runtime: Runtime, synthesis: bool) -> Plan:
    left = waves_left(state["task"], len(state["samples"]))
    role = left[0]["role"] if left else "explorer"
    # Waves of another role are another stage: none is ever joined with them.
    same = [wave["size"] for wave in left if wave["role"] == role]
    return Plan(
        left=same,
        synthesis=synthesis and bool(state["task"]["rounds"]),
        lossless=runtime.config.stop.lossless,
        join=runtime.config.gate.join,
    )


def _within_budget(
    report: GateReport, state: State, runtime: Runtime
) -> tuple[GateReport, list[str]]:
    """The report, or where a budget is exhausted the end instead, with the reason."""
    if report.decision not in ("sample_more", "synthesize"):
        return report, []
    samples = samples_of(state)
    left = waves_left(state["task"], len(samples))
    question = runtime.question(state["task"]["run_id"], spent_so_far(state))
    budget, models = runtime.config.budget, runtime.models
    # Where a budget cut the waves, what would have come next are more samples.
    cut = state["task"]["cut"] and not left
    spend: Any = "sample" if report.decision == "sample_more" or cut else "synthesis"
    reason = exhausted(
        "question",
        budget.question,
        spent_on_question(question, samples=len(samples), syntheses=0),
        spend,
    ) or exhausted("run", budget.run, spent_on_run(models.questions, models.spent.total()), spend)
    if reason is None:
        return report, []
    over = {"decision": "accept", "reason": f"{reason} ({report.reason})", "next": None}
    return report.model_copy(update=over), [f"{reason}; the best answer so far is returned"]
