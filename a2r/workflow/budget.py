"""Budgets: what may be spent on a question and on a run, checked before every spend."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Literal

from a2r.config.limits import BudgetConfig, LimitsConfig
from a2r.inference.accounting import Ledger
from a2r.inference.run_tracker import RunRegistry, RunState
from a2r.usage import Usage, UsageByRole

Spend = Literal["sample", "synthesis"]


@dataclass(frozen=True, kw_only=True)
class Spending:
    """What has been spent against a budget; tokens and cost that are unknown count as none."""

    usage: Usage
    seconds: float
    samples: int
    syntheses: int

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens together."""
        return (self.usage.prompt_tokens or 0) + (self.usage.completion_tokens or 0)


def question_usage(question: RunState, *, samples: int, syntheses: int) -> Spending:
    """What a question has spent; the caller counts its samples and syntheses."""
    seconds = time.monotonic() - question.started_at
    return Spending(usage=question.usage, seconds=seconds, samples=samples, syntheses=syntheses)


def session_usage(questions: RunRegistry, spent: UsageByRole) -> Spending:
    """What all questions together have spent."""
    seconds = 0.0 if questions.started_at is None else time.monotonic() - questions.started_at
    return Spending(
        usage=spent.total,
        seconds=seconds,
        samples=questions.samples,
        syntheses=questions.syntheses,
    )


@dataclass(frozen=True, kw_only=True)
class TimeLeft:
    """The seconds that are left, and what to say when they are over, if a budget sets them."""

    seconds: float
    budget: str | None = None


def time_left(
    question: RunState, questions: RunRegistry, budget: BudgetConfig, deadline: float
) -> TimeLeft:
    """The time that a question may still take, of its deadline (seconds) and its budgets."""
    now = time.monotonic()
    if not budget.limits:
        return TimeLeft(seconds=max(0.0, question.started_at + deadline - now))
    limits: list[tuple[float, str | None]] = [(question.started_at + deadline, None)]
    for name, limit, begun in (
        ("question", budget.question.seconds, question.started_at),
        ("session", budget.session.seconds, questions.started_at or now),
    ):
        if limit is not None:
            told = f"budget.{name}.seconds is exhausted: {limit:g} s are over"
            limits.append((begun + limit, told))
    end, reason = min(limits, key=lambda one: one[0])
    return TimeLeft(seconds=max(0.0, end - now), budget=reason)


def exhausted_reason(name: str, limits: LimitsConfig, spent: Spending, spend: Spend) -> str | None:
    """Why nothing more of a kind may be spent, or `None` if it may; `name` is the budget's."""
    counts: list[tuple[str, float | None, float]] = [
        ("tokens", limits.tokens, spent.tokens),
        ("cost", limits.cost, spent.usage.cost or 0.0),
        ("seconds", limits.seconds, spent.seconds),
    ]
    if spend == "sample":
        counts.append(("samples", limits.samples, spent.samples))
    else:
        counts.append(("syntheses", limits.syntheses, spent.syntheses))
    for what, limit, used in counts:
        if limit is not None and used >= limit:
            told = min(used, limit) if what in ("samples", "syntheses") else used
            return f"budget.{name}.{what} is exhausted: {told:.6g} of {limit:g} {what} spent"
    return None


def is_budget_reason(reason: str) -> bool:
    """Whether the reason of a gate's decision is that a budget was exhausted."""
    return reason.startswith("budget.")


def affordable_samples(budget: BudgetConfig, question: Spending, run: Spending) -> int | None:
    """How many more samples may be started; `None` where nothing limits them."""
    limits = ((budget.question.samples, question.samples), (budget.session.samples, run.samples))
    left = [max(0, limit - used) for limit, used in limits if limit is not None]
    return min(left) if left else None


@dataclass
class BudgetGuard:
    """Asked before every request of one sample or synthesis; counts it when it first begins.

    `number` is how many samples, or syntheses, of the question came before it.
    """

    spend: Spend
    number: int
    budget: BudgetConfig
    question: RunState
    questions: RunRegistry
    ledger: Ledger
    started: bool = False

    def __call__(self) -> str | None:
        """Why the request must not be sent, or `None` if it may."""
        reason = self._rejection()
        if reason is None and not self.started:
            self.started = True
            is_sample = self.spend == "sample"
            self.questions.start_run(samples=is_sample, syntheses=not is_sample)
        return reason

    def _rejection(self) -> str | None:
        if not self.budget.limits:
            return None
        of_question = question_usage(self.question, samples=self.number, syntheses=self.number)
        of_run = session_usage(self.questions, self.ledger.total())
        if self.started:
            # What goes on is no new sample: only its tokens, its cost and its time count.
            of_question = replace(of_question, samples=-1, syntheses=-1)
            of_run = replace(of_run, samples=-1, syntheses=-1)
        return exhausted_reason(
            "question", self.budget.question, of_question, self.spend
        ) or exhausted_reason("session", self.budget.session, of_run, self.spend)
