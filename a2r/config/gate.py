"""What a config may say of the gate: its rule, and what the rule asks for."""

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
    """The least votes of an answer that may be accepted before all waves are used, by kind.

    Few options make it likelier that wrong samples agree: a choice needs one vote more. One
    number stands for all kinds. Of a kind that needs more votes than there are samples in all
    waves, these have to agree; where that is so of every kind, the config is refused.
    """

    choice: Samples = 3
    math: Samples = 2
    text: Samples = 2
    json_: Samples = Field(default=2, alias="json")
    code: Samples = 2

    @model_validator(mode="before")
    @classmethod
    def _one_for_all(cls, data: Any) -> Any:
        if isinstance(data, int) and not isinstance(data, bool):
            return {field.alias or name: data for name, field in cls.model_fields.items()}
        return data

    def for_kind(self, kind: str) -> int:
        """The least votes for an answer of a kind."""
        needed: int = getattr(self, "json_" if kind == "json" else kind, self.text)
        return max(MIN_ANSWERED, needed)


class SprtConfig(Section):
    """Wald's test: the share of votes that the top answer is tested for, and the error rates.

    The defaults are ConSol's own (arXiv 2503.17587): they accept a lead of three votes.
    """

    p1: Annotated[Number, Field(gt=0.5, lt=1)] = 0.5001
    alpha: Probability = 0.05
    beta: Probability = 0.949976

    @model_validator(mode="after")
    def _boundary_above_none(self) -> SprtConfig:
        if sprt_boundary(self.alpha, self.beta) <= 0:
            raise ValueError("alpha + beta has to be below 1, or no evidence at all is enough")
        return self


class GateConfig(Section):
    """The gate: `rule` names one of a2r's rules, or a rule of yours as `module:name`.

    `quorum` is the share of the started samples that must have answered; `abstentions` and
    `truncations` say whether a single one blocks acceptance; `threshold` is the share of votes
    (rule `share`, 0.75 if null) or the posterior (rule `beta`, 0.95 if null); `window` the number
    of last answers that must be equal; `join` starts waves together at whose end the rule could
    not accept anyway, which saves time and changes no decision; `settings` are keyword arguments
    of a rule of yours.
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
            raise ValueError(f"no rule of a2r's, nor module:name{suggestion(rule, RULES)}")
        return rule

    @property
    def is_custom(self) -> bool:
        """Whether the rule is the user's."""
        return self.rule not in RULES

    @property
    def effective_threshold(self) -> float:
        """The threshold in force; 1 for a rule that has none."""
        return self.threshold if self.threshold is not None else THRESHOLDS.get(self.rule, 1.0)

    def min_agreeing(self, most: int) -> int | None:
        """How many samples that all agree the rule needs to accept, looking at `most` of them.

        `None` where the rule does not go by agreement, or is the user's; more than `most` where
        it cannot accept at all.
        """
        if self.is_custom or self.rule in ("always", "never"):
            return None
        needed = min(
            self.min_votes.for_kind(kind) for kind in ("choice", "math", "text", "json", "code")
        )
        enough = (n for n in itertools.count(needed) if n > most or self._threshold_fits(n))
        return next(enough)

    def _threshold_fits(self, agreeing: int) -> bool:
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
        """Why the rule could never accept at the end of one of these waves; `None` if it could."""
        total = sum(waves)
        needed = None if total == 1 else self.min_agreeing(total)
        if needed is None or needed <= total:
            return None
        if self.rule == "beta":
            best = beta_confidence(total, 0)
            return (
                f"a threshold of {self.effective_threshold:g} can't be reached: {total} samples that all agree "
                f"give {best:.4g}; lower it or sample more"
            )
        if self.rule == "sprt":
            return f"{total} samples that all agree are too little evidence for these error rates"
        if self.rule == "window":
            return f"a window of {self.window} needs more than the {total} samples of all waves"
        return f"{needed} agreeing answers need more than the {total} samples of all waves"
