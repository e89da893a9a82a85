"""What the outcomes of a rule come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from a2r.evaluation.replay.bootstrap import Interval, bootstrap_intervals
from a2r.evaluation.replay.simulate import Outcome, Rule


@dataclass(frozen=True, kw_only=True)
class MetricsRow:
    """A rule's measures over the questions of a file, or of all files.

    Attributes:
        file: the file, or `pooled`.
        rule: the rule.
        questions: how many there are; `left_out` how many lines could not be used.
        accuracy: the share of the questions that it answers right.
        accuracy_all: the same, of the vote of all samples.
        difference: `accuracy` less `accuracy_all`.
        accuracy_interval: 95% bootstrap interval; so are the other two, from the same resamples.
        samples: the samples spent; `samples_share` of all.
        tokens: the tokens spent; `tokens_share` of all, `None` if there are none.
        tokens_estimated: whether a sample's tokens were not recorded.
        synthesis_share: the share of the questions at which synthesis would follow.
        accepted: the questions at which the gate accepted.
        accepted_accuracy: the share of those that are right; `None` without any.
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
        """The row as JSON values, the rule as its name, its gate's config and its waves."""
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
    """The measures of a rule over at least one outcome."""
    questions = len(outcomes)
    right = sum(outcome.right for outcome in outcomes)
    all_right = sum(outcome.all_right for outcome in outcomes)
    samples = sum(outcome.samples for outcome in outcomes)
    tokens = sum(outcome.tokens for outcome in outcomes)
    all_tokens = sum(outcome.all_tokens for outcome in outcomes)
    accepted = [outcome.right for outcome in outcomes if outcome.decision == "accept"]
    spread = bootstrap_intervals([(outcome.right, outcome.all_right) for outcome in outcomes])
    return MetricsRow(
        file=file,
        rule=rule,
        questions=questions,
        left_out=left_out,
        accuracy=right / questions,
        accuracy_interval=spread.first,
        accuracy_all=all_right / questions,
        accuracy_all_interval=spread.second,
        difference=(right - all_right) / questions,
        difference_interval=spread.difference,
        samples=samples,
        samples_share=samples / sum(outcome.all_samples for outcome in outcomes),
        tokens=tokens,
        tokens_share=tokens / all_tokens if all_tokens else None,
        tokens_estimated=any(outcome.tokens_estimated for outcome in outcomes),
        synthesis_share=sum(o.decision == "synthesize" for o in outcomes) / questions,
        accepted=len(accepted),
        accepted_accuracy=sum(accepted) / len(accepted) if accepted else None,
    )
