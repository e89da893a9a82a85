"""The `gate` section: the stopping rule and its settings."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from a2r._internal.sequential_tests import beta_confidence, sprt_boundary, sprt_log_likelihood_ratio
from a2r._internal.suggestions import suggestion
from a2r.config.field_types import Count, Number, Samples, Section, Share

RULES = ("unanimous", "share", "beta", "sprt", "window", "always", "never")
THRESHOLDS: Mapping[str, float] = {"share": 0.75, "beta": 0.95}
MIN_ANSWERED = 2
Effect = Literal["pass", "block"]
Probability = Annotated[Number, Field(gt=0, lt=1)]


class MinVotesConfig(Section):
    """The minimum votes, by kind, of an answer that is accepted before all waves are used.

    A choice needs one vote more, because with few options wrong samples agree more often. A single
    number applies to all kinds. If a kind needs more votes than all waves have samples, all samples
    must agree; a config in which this holds for every kind is rejected.
    """

    choice: Samples = 3
    math: Samples = 2
    text: Samples = 2
    json_: Samples = Field(default=2, alias="json")
    code: Samples = 2

    @model_validator(mode="before")
    @classmethod
    def _expand_number(cls, data: Any) -> Any:
        if isinstance(data, int) and not isinstance(data, bool):
            return {field.alias or name: data for name, field in cls.model_fields.items()}
        return data

    def for_kind(self, kind: str) -> int:
        """The minimum votes for an answer of a kind."""
        min_votes: int = getattr(self, "json_" if kind == "json" else kind, self.text)
        return max(MIN_ANSWERED, min_votes)


class SprtConfig(Section):
    """Wald's sequential test (SPRT): the tested share `p1` of the top answer, and the error rates.

    The defaults are those of ConSol (arXiv 2503.17587): they accept a lead of three votes.
    """

    p1: Annotated[Number, Field(gt=0.5, lt=1)] = 0.5001
    alpha: Probability = 0.05
    beta: Probability = 0.949976

    @model_validator(mode="after")
    def _check_boundary(self) -> SprtConfig:
        if sprt_boundary(self.alpha, self.beta) <= 0:
            raise ValueError(
                "alpha + beta must be below 1; otherwise the rule accepts without evidence"
            )
        return self


class GateConfig(Section):
    """The gate. `rule` is the name of a built-in rule, or a custom rule as `module:name`.

    Attributes:
        quorum: the share of the started samples that must have an answer.
        abstentions: `block` if one abstained sample keeps the rule from accepting.
        truncations: `block` if one truncated sample keeps the rule from accepting.
        threshold: the share of votes (rule `share`, null: 0.75) or the posterior (rule `beta`,
            null: 0.95) that an answer needs.
        window: the number of most recent answers that must be equal.
        merge_waves: start waves together if the rule cannot accept between them, which saves time
            and changes no decision.
        settings: keyword arguments of a custom rule.
    """

    rule: str = "unanimous"
    quorum: Share = 0.5
    min_votes: MinVotesConfig = MinVotesConfig()
    abstentions: Effect = "pass"
    truncations: Effect = "pass"
    threshold: Annotated[Number, Field(gt=0, le=1)] | None = None
    window: Annotated[Count, Field(ge=2)] = 4
    sprt: SprtConfig = SprtConfig()
    merge_waves: bool = False
    settings: dict[str, Any] = Field(default_factory=dict)

    @field_validator("rule")
    @classmethod
    def _check_rule(cls, rule: str) -> str:
        if rule not in RULES and ":" not in rule:
            raise ValueError(
                f"unknown rule; use module:name or a built-in rule{suggestion(rule, RULES)}"
            )
        return rule

    @property
    def is_custom(self) -> bool:
        """Whether the rule is a custom one."""
        return self.rule not in RULES

    @property
    def effective_threshold(self) -> float:
        """The threshold that applies; 1 for a rule without one."""
        return self.threshold if self.threshold is not None else THRESHOLDS.get(self.rule, 1.0)

    def min_agreeing(self, max_samples: int) -> int | None:
        """The number of unanimous samples that the rule requires.

        `None` if the rule is custom or does not depend on agreement; more than `max_samples` if
        that many samples are not enough.
        """
        if self.is_custom or self.rule in ("always", "never"):
            return None
        first = min(
            self.min_votes.for_kind(kind) for kind in ("choice", "math", "text", "json", "code")
        )
        return next(
            n for n in itertools.count(first) if n > max_samples or self._meets_threshold(n)
        )

    def _meets_threshold(self, agreeing: int) -> bool:
        match self.rule:
            case "beta":
                return beta_confidence(agreeing, 0) >= self.effective_threshold
            case "sprt":
                evidence = sprt_log_likelihood_ratio(agreeing, 0, self.sprt.p1)
                return evidence >= sprt_boundary(self.sprt.alpha, self.sprt.beta)
            case "window":
                return agreeing >= self.window
            case _:
                return True

    def infeasible_reason(self, waves: list[int]) -> str | None:
        """Why the rule can never accept after any of these waves; `None` if it can."""
        total = sum(waves)
        needed = None if total == 1 else self.min_agreeing(total)
        if needed is None or needed <= total:
            return None
        if self.rule == "beta":
            best = beta_confidence(total, 0)
            return (
                f"threshold {self.effective_threshold:g} is out of reach: {total} unanimous "
                f"samples give {best:.4g}; lower the threshold or draw more samples"
            )
        if self.rule == "sprt":
            return f"{total} unanimous samples are too little evidence for these error rates"
        if self.rule == "window":
            return f"window {self.window} is larger than the {total} samples of all waves"
        return f"{needed} agreeing answers are required, but all waves have {total} samples"
