"""How far the samples agree: the share of the top answer, and the samples that it is a share of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from a2r.result import Cluster, Result, Sample

GIVEN_UP = frozenset({"stopped", "straggler"})


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """The agreement of the voting samples, by their clusters.

    `votes` are those of the top answer. `samples` counts the samples with an answer and those that
    were given up before they had one: they vote for nobody. Samples that failed, were truncated or
    found no answer are not counted. `drawn` is the number of all voting samples, `with_answer` of
    those with an answer, in a cluster or not.
    """

    drawn: int
    with_answer: int
    votes: int
    answered: int
    given_up: int

    @property
    def samples(self) -> int:
        """The number of samples that the share is of."""
        return self.answered + self.given_up

    @property
    def share(self) -> float | None:
        """The votes of the top answer as a share of the samples; `None` without an answer."""
        return self.votes / self.samples if self.answered else None

    @property
    def is_unanimous(self) -> bool:
        """Whether several samples answered, all the same, and none was given up."""
        return self.with_answer > 1 and self.votes == self.samples


def count_agreement(voting: Sequence[Sample], clusters: Sequence[Cluster]) -> Agreement:
    """Count the agreement of the samples that vote; `clusters` are their answers, top first."""
    return Agreement(
        drawn=len(voting),
        with_answer=sum(sample.status == "answered" for sample in voting),
        votes=clusters[0].votes if clusters else 0,
        answered=sum(cluster.votes for cluster in clusters),
        given_up=sum(_is_given_up(sample) for sample in voting),
    )


def format_agreement(result: Result) -> str | None:
    """The agreement of a result with its basis, such as `56% (5 of 9 samples, 4 given up)`."""
    if result.agreement is None or result.agreement_samples is None:
        return None
    given_up = result.agreement_samples - sum(cluster.votes for cluster in result.clusters)
    basis = f"{result.clusters[0].votes} of {result.agreement_samples} samples"
    return f"{result.agreement:.0%} ({basis}{f', {given_up} given up' if given_up else ''})"


def _is_given_up(sample: Sample) -> bool:
    """Whether a sample, or the request for its answer, was cancelled before its end.

    A request that the budget or the deadline refused was never made.
    """
    if sample.answer is not None:
        return False
    if sample.status == "cancelled":
        return sample.error_type in GIVEN_UP or sample.usage.calls > 0
    return sample.recovery is not None and sample.recovery.error_type in GIVEN_UP
