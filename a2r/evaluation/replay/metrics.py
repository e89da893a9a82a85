"""Metrics of a rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from a2r.evaluation.replay.bootstrap import Interval, bootstrap_difference
from a2r.evaluation.replay.simulate import Outcome, Rule
from a2r.evaluation.replay.wilson import wilson_interval


@dataclass(frozen=True, kw_only=True)
class MetricsRow:
    """The metrics of a rule over the questions of one file, or of all files.

    Attributes:
        file: the file, or `pooled`.
        rule: the rule.
        questions: number of questions.
        left_out: number of invalid lines.
        accuracy: fraction of questions answered correctly by the rule.
        accuracy_interval: 95% Wilson interval of `accuracy`.
        accuracy_all: fraction of questions answered correctly by the vote of all samples.
        accuracy_all_interval: 95% Wilson interval of `accuracy_all`.
        difference: `accuracy` minus `accuracy_all`.
        difference_interval: 95% bootstrap interval of `difference`.
        samples: number of samples used.
        samples_share: `samples` as a fraction of all samples.
        tokens: completion tokens used.
        tokens_share: `tokens` as a fraction of all tokens, `None` without tokens.
        tokens_estimated: whether the tokens of a sample were not recorded.
        synthesis_share: fraction of questions for which the gate requests a synthesis.
        accepted: number of questions for which the gate accepts.
        accepted_accuracy: fraction of these answered correctly, `None` if there are none.
    """

    file: str
    rule: Rule
    questions: int
    left_out: int
    accuracy: float
    accuracy_interval: Interval
    accuracy_all: float
    accuracy_all_interval: Interval
    difference: float
    difference_interval: Interval
    samples: int
    samples_share: float
    tokens: int
    tokens_share: float | None
    tokens_estimated: bool
    synthesis_share: float
    accepted: int
    accepted_accuracy: float | None

    def as_json(self) -> dict[str, Any]:
        """Return the row as JSON values; the rule becomes its name, gate config and waves."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        gate = self.rule.config
        return {
            **values,
            "rule": gate.rule,
            "gate": gate.model_dump(mode="json", by_alias=True),
            "waves": list(self.rule.waves),
        }


def compute_metrics(
    file: str, rule: Rule, outcomes: Sequence[Outcome], left_out: int = 0
) -> MetricsRow:
    """Return the metrics of a rule over one or more outcomes."""
    questions = len(outcomes)
    correct = sum(outcome.is_correct for outcome in outcomes)
    vote_correct = sum(outcome.vote_is_correct for outcome in outcomes)
    samples = sum(outcome.samples for outcome in outcomes)
    tokens = sum(outcome.tokens for outcome in outcomes)
    total_tokens = sum(outcome.total_tokens for outcome in outcomes)
    accepted = [outcome.is_correct for outcome in outcomes if outcome.decision == "accept"]
    pairs = [(outcome.is_correct, outcome.vote_is_correct) for outcome in outcomes]
    return MetricsRow(
        file=file,
        rule=rule,
        questions=questions,
        left_out=left_out,
        accuracy=correct / questions,
        accuracy_interval=wilson_interval(correct, questions),
        accuracy_all=vote_correct / questions,
        accuracy_all_interval=wilson_interval(vote_correct, questions),
        difference=(correct - vote_correct) / questions,
        difference_interval=bootstrap_difference(pairs),
        samples=samples,
        samples_share=samples / sum(outcome.total_samples for outcome in outcomes),
        tokens=tokens,
        tokens_share=tokens / total_tokens if total_tokens else None,
        tokens_estimated=any(outcome.tokens_estimated for outcome in outcomes),
        synthesis_share=sum(o.decision == "synthesize" for o in outcomes) / questions,
        accepted=len(accepted),
        accepted_accuracy=sum(accepted) / len(accepted) if accepted else None,
    )
