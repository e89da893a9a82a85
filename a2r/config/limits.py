"""What a config may say of limits: deadlines, budgets, and when a sample is given up."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from a2r.config.field_types import MAX_COUNT, Number, Seconds, Section, reject_bool

Limit = Annotated[int, BeforeValidator(reject_bool), Field(ge=0, le=MAX_COUNT * MAX_COUNT)]


class DeadlineConfig(Section):
    """Seconds after which a call, a sample and a question are cut off.

    `call` is one request; a call that it ends is retried elsewhere. `silence` ends a call whose
    stream has begun and then brings nothing. `sample` is a sample or a synthesis with all its
    waiting and its retries; null leaves it the question's. Nothing outlives `question`.
    """

    call: Seconds = 600.0
    idle: Seconds = 120.0
    sample: Seconds | None = None
    question: Seconds = 1800.0


class LimitsConfig(Section):
    """The most that may be spent; null is no limit.

    Tokens are prompt and completion together, cost is in the currency of the prices, `syntheses`
    are calls of the synthesizer that read references. What is checked, before every call, is what
    has been spent by then; `seconds` also cuts off what runs.
    """

    tokens: Limit | None = None
    cost: Annotated[Number, Field(ge=0)] | None = None
    seconds: Seconds | None = None
    samples: Limit | None = None
    syntheses: Limit | None = None


class BudgetConfig(Section):
    """Budgets of a question, and of a run: everything that one `A2R` object is asked."""

    question: LimitsConfig = LimitsConfig()
    session: LimitsConfig = LimitsConfig()

    @cached_property
    def limits(self) -> bool:
        """Whether anything is limited."""
        limits = [*self.question.model_dump().values(), *self.session.model_dump().values()]
        return any(limit is not None for limit in limits)


class StopConfig(Section):
    """When samples that still run are given up before the end of their wave.

    `lossless`: as soon as they can change neither the decision nor the accepted answer.
    `straggler` may change the result: `decided` gives them up once the gate's decision is certain,
    so that the synthesizer gets fewer references; `slow` once a `share` of the wave has ended and
    `factor` times the slowest of those' time has passed; `wait` never.
    """

    lossless: bool = True
    straggler: Literal["wait", "decided", "slow"] = "wait"
    share: Annotated[Number, Field(gt=0, lt=1)] = 0.75
    factor: Annotated[Number, Field(ge=1)] = 1.5
