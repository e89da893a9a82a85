"""Make the result of a run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from a2r._internal.logging import get_logger
from a2r.events import RunFinished
from a2r.result import Attempt, Cluster, GateReport, Method, Result, Sample, Synthesis
from a2r.workflow.agreement import Agreement, count_agreement
from a2r.workflow.outcome import no_answer_error, to_message
from a2r.workflow.question_update import (
    apply_change,
    change_warnings,
    require_effect,
)
from a2r.workflow.runtime import NodeRuntime
from a2r.workflow.savings import estimate_savings, usage_by_role
from a2r.workflow.state import State, current_task
from a2r.workflow.voting import cluster_answers, voting_samples


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The answer, the method it came by, and the solution behind it."""

    answer: str | None
    method: Method | None
    text: str
    warnings: tuple[str, ...] = ()


async def finalize(state: State, runtime: NodeRuntime) -> dict[str, Any]:
    """The result of the question: the synthesizer's answer, or that of the votes.

    Raises:
        NoAnswerError: no sample finished; the error carries the partial result.
        QuestionError: the question was changed, and no model has read the new one.
    """
    require_effect(state)
    samples, attempts = runtime.samples(state), runtime.syntheses(state)
    clusters = [Cluster.model_validate(group) for group in state["clusters"]]
    chosen = await _vote(attempts, state, runtime)
    agreement = count_agreement(voting_samples(samples, runtime.config), clusters)
    verdict = _verdict(state, samples, agreement, attempts, clusters, chosen)
    result = _result(state, runtime, samples, attempts, clusters, agreement, verdict)
    runtime.models.runs.finish(result.run_id)
    if not any(sample.finished for sample in samples):
        raise no_answer_error(result)
    get_logger().info(
        "run finished",
        run=result.run_id,
        method=result.method,
        agreement=result.agreement,
        calls=result.usage.total.calls,
        prompt_tokens=result.usage.total.prompt_tokens,
        completion_tokens=result.usage.total.completion_tokens,
        seconds=round(result.seconds, 3),
    )
    runtime.emit(RunFinished(result=result))
    change = apply_change(state)
    return {
        **change,
        "result": result.model_dump(mode="json"),
        "answer": result.answer,
        "messages": [*change.get("messages", []), to_message(result)],
    }


async def _vote(
    attempts: Sequence[Synthesis], state: State, runtime: NodeRuntime
) -> Synthesis | None:
    """The attempt that wins the vote of the last round with answers."""
    answered = [attempt for attempt in attempts if attempt.answer is not None]
    last = max((attempt.round for attempt in answered), default=0)
    voting = [attempt for attempt in answered if attempt.round == last]
    task, settings = current_task(state), runtime.config.answers.settings
    groups = await cluster_answers(
        voting,
        task["kind"],
        settings,
        task["question"],
        seconds_left=runtime.comparison_time(task["run_id"]),
    )
    if not groups:
        return None
    return next(attempt for attempt in voting if attempt.index == groups[0].samples[0])


def _verdict(
    state: State,
    samples: list[Sample],
    agreement: Agreement,
    attempts: list[Synthesis],
    clusters: list[Cluster],
    chosen: Synthesis | None,
) -> Verdict:
    if not attempts:
        return _vote_verdict(state, samples, agreement, clusters)
    if chosen is not None:
        verdict = _synthesis_verdict(chosen, samples, attempts)
        return replace(verdict, warnings=(*verdict.warnings, *_undecided_warning(clusters)))
    fallback = _vote_verdict(state, samples, agreement, clusters)
    if fallback.answer is None:
        text = next((attempt.text for attempt in attempts if attempt.text), fallback.text)
        return Verdict(
            answer=None,
            method=None,
            text=text,
            warnings=(_failure_reasons(attempts), *fallback.warnings),
        )
    return Verdict(
        answer=fallback.answer,
        method="majority_fallback",
        text=fallback.text,
        warnings=(
            f"{_failure_reasons(attempts)}; the samples' majority answers",
            *fallback.warnings,
        ),
    )


def _synthesis_verdict(
    chosen: Synthesis, samples: Sequence[Sample], attempts: Sequence[Synthesis]
) -> Verdict:
    last = max(attempt.round for attempt in attempts)
    failed = [attempt for attempt in attempts if attempt.round > chosen.round]
    warnings: tuple[str, ...] = ()
    if failed:
        reasons = _failure_reasons(failed)
        warnings = (f"round {last} failed, round {chosen.round} answers: {reasons}",)
    if chosen.selected is None:
        return Verdict(
            answer=chosen.answer, method="synthesized", text=chosen.text, warnings=warnings
        )
    before = [a for a in attempts if a.round == chosen.round - 1 and a.finished]
    candidates: Sequence[Attempt] = before or samples
    source = next(c for c in candidates if c.index == chosen.selected)
    # The judge may have read a truncated text: the result has the full one.
    answer = source.text if source.answer is None else source.answer
    return Verdict(answer=answer, method="selected", text=source.text, warnings=warnings)


def _vote_verdict(
    state: State, samples: list[Sample], agreement: Agreement, clusters: list[Cluster]
) -> Verdict:
    if not clusters:
        return _text_verdict(state, samples)
    top = clusters[0]
    method: Method = "unanimous" if agreement.is_unanimous else "majority"
    return Verdict(
        answer=top.answer,
        method="single" if len(samples) == 1 else method,
        text=next(s.text for s in samples if s.index == top.samples[0]),
        warnings=(
            *_quorum_warning(agreement.answered, agreement.drawn),
            *_tie_warning(clusters),
            *_undecided_warning(clusters),
        ),
    )


def _text_verdict(state: State, samples: list[Sample]) -> Verdict:
    """The verdict without votes: the first text answers an open question only.

    Where the synthesizer's model drew samples, too, theirs count before the explorer's.
    """
    finished = [sample for sample in samples if sample.finished]
    bigger = [sample for sample in finished if sample.role == "synthesizer"]
    text = next((sample.text for sample in bigger or finished), "")
    usable = bool(text) and state["task"]["kind"] == "text"
    if usable and len(samples) == 1:
        return Verdict(answer=text, method="single", text=text)
    if usable:
        warning = "no sample gave an answer to vote on; the first finished text is returned"
        return Verdict(answer=text, method="majority", text=text, warnings=(warning,))
    return Verdict(
        answer=None, method=None, text=text, warnings=("no finished text holds an answer",)
    )


def _quorum_warning(answered: int, started: int) -> tuple[str, ...]:
    if started > 1 and answered == 1:
        return (f"only 1 of {started} samples answered",)
    return ()


def _tie_warning(clusters: list[Cluster]) -> tuple[str, ...]:
    tied = sum(cluster.votes == clusters[0].votes for cluster in clusters)
    if tied == 1:
        return ()
    return (f"{tied} answers are tied; using sample {clusters[0].samples[0]}'s",)


def _undecided_warning(clusters: list[Cluster]) -> tuple[str, ...]:
    if not any(cluster.undecided for cluster in clusters):
        return ()
    return ("some answers could not be compared in time and count as different",)


def _failure_reasons(attempts: list[Synthesis]) -> str:
    reasons = sorted({attempt.error or attempt.status for attempt in attempts})
    return f"the synthesizer gave no answer ({'; '.join(reasons)})"


def _cancelled_warning(samples: Sequence[Sample]) -> tuple[str, ...]:
    recoveries = [sample.recovery for sample in samples if sample.recovery is not None]
    stragglers = sum(sample.error_type == "straggler" for sample in samples)
    stragglers += sum(recovery.error_type == "straggler" for recovery in recoveries)
    refused = sorted({s.error or "" for s in samples if s.error_type == "budget"})
    warnings = [f"{error}; some samples were not drawn" for error in refused]
    unasked = sorted({r.error or "" for r in recoveries if r.error_type == "budget"})
    warnings += [f"{error}; some answers were not recovered" for error in unasked]
    if stragglers:
        warnings.append(
            f"{stragglers} of {len(samples)} samples were cancelled as stragglers: the complete "
            "wave might have decided differently"
        )
    return tuple(warnings)


def _result(
    state: State,
    runtime: NodeRuntime,
    samples: list[Sample],
    attempts: list[Synthesis],
    clusters: list[Cluster],
    agreement: Agreement,
    verdict: Verdict,
) -> Result:
    task = current_task(state)
    usage = usage_by_role(samples, attempts)
    return Result(
        question=task["question"],
        answer=verdict.answer,
        kind=task["kind"],
        method=verdict.method,
        text=verdict.text,
        agreement=agreement.share,
        agreement_samples=agreement.samples if clusters else None,
        clusters=clusters,
        samples=samples,
        gate=GateReport.model_validate(state["gate"]) if state["gate"] else None,
        decisions=[GateReport.model_validate(report) for report in state["decisions"]],
        synthesis=attempts,
        usage=usage,
        savings=estimate_savings(samples, attempts, runtime.config, task),
        seconds=time.time() - task["started_at"],
        run_id=task["run_id"],
        config=runtime.config_name,
        warnings=[
            *verdict.warnings,
            *state["warnings"],
            *change_warnings(state),
            *_cancelled_warning(samples),
        ],
    )
