"""The sections `deadline`, `budget` and `stop`: timeouts, limits, and early cancellation."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from a2r.config.field_types import MAX_COUNT, Number, Seconds, Section, reject_bool

Limit = Annotated[int, BeforeValidator(reject_bool), Field(ge=0, le=MAX_COUNT * MAX_COUNT)]


class DeadlineConfig(Section):
    """Timeouts in seconds.

    `call` limits one request, which is then retried on another endpoint. `idle` limits the time
    between two chunks of a stream. `sample` limits a sample or a synthesis, with its queueing and
    its retries; null: only `question` applies. `question` limits everything.
    """

    call: Seconds = 600.0
    idle: Seconds = 120.0
    sample: Seconds | None = None
    question: Seconds = 1800.0


class LimitsConfig(Section):
    """Maximum usage; null is no limit.

    `tokens` counts prompt and completion tokens, `cost` is in the currency of the prices, and
    `syntheses` counts calls of the synthesizer that read references. The usage so far is checked
    before every call; `seconds` also cancels running calls.
    """

    tokens: Limit | None = None
    cost: Annotated[Number, Field(ge=0)] | None = None
    seconds: Seconds | None = None
    samples: Limit | None = None
    syntheses: Limit | None = None


class BudgetConfig(Section):
    """Budgets of one question, and of a session: all questions of one `A2R` object."""

    question: LimitsConfig = LimitsConfig()
    session: LimitsConfig = LimitsConfig()

    @cached_property
    def limits(self) -> bool:
        """Whether anything is limited."""
        limits = [*self.question.model_dump().values(), *self.session.model_dump().values()]
        return any(limit is not None for limit in limits)


class StopConfig(Section):
    """When running samples are cancelled before the end of their wave.

    `lossless` cancels samples that can change neither the decision nor the accepted answer.
    `straggler` may change the result: `decided` cancels as soon as the decision of the gate is
    certain, which leaves the synthesizer fewer references. `slow` cancels after `share` of the wave
    has finished and `factor` times the duration of the slowest of these has passed. `wait` never
    cancels.
    """

    lossless: bool = True
    straggler: Literal["wait", "decided", "slow"] = "wait"
    share: Annotated[Number, Field(gt=0, lt=1)] = 0.75
    factor: Annotated[Number, Field(ge=1)] = 1.5
