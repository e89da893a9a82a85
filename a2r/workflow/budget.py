"""Budgets of a question and of a session, checked before every request."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Literal

from a2r.config.limits import BudgetConfig, LimitsConfig
from a2r.inference.run_tracker import RunRegistry, RunState
from a2r.inference.usage_and_cost import Ledger
from a2r.usage import Usage, UsageByRole

Spend = Literal["sample", "synthesis"]


@dataclass(frozen=True, kw_only=True)
class Spending:
    """Usage counted against a budget; unknown tokens and cost count as zero."""

    usage: Usage
    seconds: float
    samples: int
    syntheses: int

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens together."""
        return (self.usage.prompt_tokens or 0) + (self.usage.completion_tokens or 0)


def question_usage(question: RunState, *, samples: int, syntheses: int) -> Spending:
    """The usage of one question; the caller counts its samples and syntheses."""
    seconds = time.monotonic() - question.started_at
    return Spending(usage=question.usage, seconds=seconds, samples=samples, syntheses=syntheses)


def session_usage(questions: RunRegistry, spent: UsageByRole) -> Spending:
    """The usage of all questions of the session together."""
    seconds = 0.0 if questions.started_at is None else time.monotonic() - questions.started_at
    return Spending(
        usage=spent.total,
        seconds=seconds,
        samples=questions.samples,
        syntheses=questions.syntheses,
    )


@dataclass(frozen=True, kw_only=True)
class TimeLeft:
    """The seconds left; `budget` is the reason to report when they run out, if one sets them."""

    seconds: float
    budget: str | None = None


def time_left(
    question: RunState, questions: RunRegistry, budget: BudgetConfig, deadline: float
) -> TimeLeft:
    """The time that a question may still take, by its deadline (seconds) and its budgets."""
    now = time.monotonic()
    if not budget.limits:
        return TimeLeft(seconds=max(0.0, question.started_at + deadline - now))
    limits: list[tuple[float, str | None]] = [(question.started_at + deadline, None)]
    for name, limit, started_at in (
        ("question", budget.question.seconds, question.started_at),
        ("session", budget.session.seconds, questions.started_at or now),
    ):
        if limit is not None:
            exhausted = f"budget.{name}.seconds is exhausted: {limit:g} s are over"
            limits.append((started_at + limit, exhausted))
    end, reason = min(limits, key=lambda limit: limit[0])
    return TimeLeft(seconds=max(0.0, end - now), budget=reason)


def exhausted_reason(name: str, limits: LimitsConfig, spent: Spending, spend: Spend) -> str | None:
    """Why a budget allows no further sample or synthesis, or `None`; `name` is the budget's."""
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
            shown = min(used, limit) if what in ("samples", "syntheses") else used
            return f"budget.{name}.{what} is exhausted: {shown:.6g} of {limit:g} {what} spent"
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
    """Checks the budgets before each request of one sample or synthesis; counts it once.

    `number` is the number of earlier samples, or syntheses, of the question.
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
            self.questions.count_started(samples=is_sample, syntheses=not is_sample)
        return reason

    def _rejection(self) -> str | None:
        if not self.budget.limits:
            return None
        question = question_usage(self.question, samples=self.number, syntheses=self.number)
        session = session_usage(self.questions, self.ledger.total())
        if self.started:
            # A retry is no new sample: only its tokens, cost and time count.
            question = replace(question, samples=-1, syntheses=-1)
            session = replace(session, samples=-1, syntheses=-1)
        return exhausted_reason(
            "question", self.budget.question, question, self.spend
        ) or exhausted_reason("session", self.budget.session, session, self.spend)
