"""Decide what happens after a wave."""

from __future__ import annotations

from typing import Any

from a2r._internal.logging import get_logger
from a2r.events import GateDecided
from a2r.gates import Votes, decide
from a2r.gates.decision import asked
from a2r.gates.rules import never
from a2r.gates.votes import count
from a2r.result import Cluster, GateReport
from a2r.workflow.budget import Spend, exhausted, spent_on_question, spent_on_run
from a2r.workflow.schedule import plan_of, samples_left, votes_planned
from a2r.workflow.state import State, samples_of, spent_so_far
from a2r.workflow.voting import voters
from a2r.workflow.workflow import Runtime


async def gate(state: State, runtime: Runtime) -> dict[str, Any]:
    """Accept, sample more, or synthesize: by the config's rule, on the samples so far.

    What a budget does not allow is not asked for.
    """
    task, config, samples = state["task"], runtime.config, state["samples"]
    votes = _votes(state, runtime)
    plan = plan_of(task, len(samples), samples[-1]["role"], config)
    report = decide(runtime.gate, config.gate.rule, votes, plan)
    report = report.model_copy(update={"wave": len(state["decisions"])})
    report, refused = _within_budget(report, votes, state, runtime)
    get_logger().info(
        "gate decided", run=task["run_id"], decision=report.decision, reason=report.reason
    )
    runtime.emit(GateDecided(gate=report))
    decided = report.model_dump(mode="json")
    return {"gate": decided, "decisions": [decided], "warnings": refused}


def _votes(state: State, runtime: Runtime) -> Votes:
    task = state["task"]
    return count(
        voters(samples_of(state), runtime.config),
        [Cluster.model_validate(group) for group in state["clusters"]],
        task["kind"],
        total=votes_planned(task, state["samples"][-1]["role"], runtime.config),
        left=samples_left(task, len(state["samples"])),
        guesses_agree=runtime.config.answers.last_number == "unanimity",
    )


def _within_budget(
    report: GateReport, votes: Votes, state: State, runtime: Runtime
) -> tuple[GateReport, list[str]]:
    """The report, or where a budget is exhausted the end instead, with the reason."""
    # Where a budget cut the waves, what would have come next are more samples.
    cut = state["task"]["cut"] and not votes.left
    if cut and not _accepts(votes, runtime):
        spend: Spend = "sample"
    elif report.decision == "sample_more":
        spend = "sample"
    elif report.decision == "synthesize":
        spend = "synthesis"
    else:
        return report, []
    question = runtime.question(state["task"]["run_id"], spent_so_far(state))
    budget, models = runtime.config.budget, runtime.models
    samples = len(state["samples"])
    reason = exhausted(
        "question",
        budget.question,
        spent_on_question(question, samples=samples, syntheses=0),
        spend,
    ) or exhausted("run", budget.run, spent_on_run(models.questions, models.spent.total()), spend)
    if reason is None:
        return report, []
    over = {"decision": "accept", "reason": f"{reason} ({report.reason})", "next": None}
    kept = report.decision in ("accept", "no_answer")
    ended = report if kept else report.model_copy(update=over)
    return ended, [f"{reason}; the best answer so far is returned"]


def _accepts(votes: Votes, runtime: Runtime) -> bool:
    """Whether the rule itself accepts, on what was sampled."""
    if runtime.gate is never or not votes.answered:
        return False
    return asked(runtime.gate, votes, "gate.rule")[0] == "accept"
