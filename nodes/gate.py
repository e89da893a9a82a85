"""Decide what happens after a wave."""

from __future__ import annotations

from typing import Any

from a2r._internal.logging import get_logger
from a2r.events import GateDecided
from a2r.gates import Votes, decide
from a2r.gates.decision import evaluate_rule
from a2r.gates.rules import never
from a2r.gates.votes import count_votes
from a2r.result import Cluster, GateReport
from a2r.workflow.budget import Spend, exhausted_reason, question_usage, session_usage
from a2r.workflow.runtime import NodeRuntime
from a2r.workflow.schedule import planned_votes, remaining_plan, remaining_samples
from a2r.workflow.state import State, usage_so_far
from a2r.workflow.voting import voting_samples


async def gate(state: State, runtime: NodeRuntime) -> dict[str, Any]:
    """Accept, sample more, or synthesize: by the config's rule, within the budgets."""
    task, config, samples = state["task"], runtime.config, state["samples"]
    votes = _votes(state, runtime)
    plan = remaining_plan(task, len(samples), samples[-1]["role"], config)
    report = decide(runtime.gate, config.gate.rule, votes, plan)
    report = report.model_copy(update={"wave": len(state["decisions"])})
    report, refused = _within_budget(report, votes, state, runtime)
    get_logger().info(
        "gate decided", run=task["run_id"], decision=report.decision, reason=report.reason
    )
    runtime.emit(GateDecided(gate=report))
    decided = report.model_dump(mode="json")
    return {"gate": decided, "decisions": [decided], "warnings": refused}


def _votes(state: State, runtime: NodeRuntime) -> Votes:
    task = state["task"]
    return count_votes(
        voting_samples(runtime.samples(state), runtime.config),
        [Cluster.model_validate(group) for group in state["clusters"]],
        task["kind"],
        total=planned_votes(task, state["samples"][-1]["role"], runtime.config),
        left=remaining_samples(task, len(state["samples"])),
        guesses_agree=runtime.config.answers.last_number == "unanimity",
    )


def _within_budget(
    report: GateReport, votes: Votes, state: State, runtime: NodeRuntime
) -> tuple[GateReport, list[str]]:
    """The report, or acceptance of the best answer so far where a budget is exhausted."""
    # Where a budget cut the waves, more samples would come next.
    cut = state["task"]["cut"] and not votes.left
    if cut and not _rule_accepts(votes, runtime):
        spend: Spend = "sample"
    elif report.decision == "sample_more":
        spend = "sample"
    elif report.decision == "synthesize":
        spend = "synthesis"
    else:
        return report, []
    run = runtime.run_state(state["task"]["run_id"], usage_so_far(state))
    budget, models = runtime.config.budget, runtime.models
    samples = len(state["samples"])
    reason = exhausted_reason(
        "question",
        budget.question,
        question_usage(run, samples=samples, syntheses=0),
        spend,
    ) or exhausted_reason(
        "session", budget.session, session_usage(models.runs, models.ledger.total()), spend
    )
    if reason is None:
        return report, []
    over = {"decision": "accept", "reason": f"{reason} ({report.reason})", "next": None}
    is_final = report.decision in ("accept", "no_answer")
    final = report if is_final else report.model_copy(update=over)
    return final, [f"{reason}; the best answer so far is returned"]


def _rule_accepts(votes: Votes, runtime: NodeRuntime) -> bool:
    """Whether the rule itself accepts, on the samples so far."""
    if runtime.gate is never or not votes.answered:
        return False
    return evaluate_rule(runtime.gate, votes, "gate.rule")[0] == "accept"
