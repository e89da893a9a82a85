"""The votes that a gate decides by, and the protocol of a gate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, Protocol

from a2r.answers import Kind
from a2r.config.gate import MIN_ANSWERED
from a2r.result import Cluster, Decision, Sample

FinalStatus = Literal["abstained", "truncated", "failed"]


def exact_fraction(share: float) -> Fraction:
    """The exact value of a decimal share: 0.28 of 25 is 7, but the float product is above 7."""
    return Fraction(str(share))


@dataclass(frozen=True, kw_only=True)
class Votes:
    """The votes after a wave, or so far during a wave. All numbers are counts of samples.

    Attributes:
        started: samples started so far.
        finished: samples that ended by themselves with a text, answered or abstained.
        answered: samples with an answer.
        clusters: the answers, most votes first, each with the indices of its samples.
        guessed: answered samples whose answer is a guess, which does not count for the quorum.
        abstained: samples that finished without an answer.
        truncated: samples cut off by the token limit.
        kind: the kind of the answers.
        total: samples of all planned waves; `None` if no plan is known.
        left: planned samples that can still be started.
    """

    started: int
    finished: int
    answered: int
    clusters: Sequence[Cluster]
    guessed: int = 0
    abstained: int = 0
    truncated: int = 0
    kind: Kind = "math"
    total: int | None = None
    left: int = 0

    @property
    def top(self) -> int:
        """The votes of the top answer."""
        return self.clusters[0].votes if self.clusters else 0

    @property
    def second(self) -> int:
        """The votes of the second answer; 0 without one."""
        return self.clusters[1].votes if len(self.clusters) > 1 else 0

    @property
    def all_samples(self) -> int:
        """The number of samples in all waves; those started if no plan is known."""
        return self.started if self.total is None else max(self.total, self.started)

    def quorum(self, share: float) -> int:
        """The number of samples that must have answered before a rule can accept."""
        return max(MIN_ANSWERED, math.ceil(exact_fraction(share) * self.started))

    def in_order(self) -> list[int]:
        """For each answered sample, in sample order, the position of its cluster."""
        positions = [
            (index, position)
            for position, cluster in enumerate(self.clusters)
            for index in cluster.samples
        ]
        return [position for _, position in sorted(positions)]

    def with_answers(self, indices: Sequence[int], position: int) -> Votes:
        """The votes if these samples join the cluster at `position`, or a new last cluster."""
        if not indices:
            return self
        clusters = list(self.clusters)
        if position >= len(clusters):
            clusters.append(Cluster(answer="", votes=0, samples=[]))
        joined = clusters[position]
        clusters[position] = joined.model_copy(
            update={
                "votes": joined.votes + len(indices),
                "samples": sorted([*joined.samples, *indices]),
            }
        )
        return replace(
            self,
            finished=self.finished + len(indices),
            answered=self.answered + len(indices),
            clusters=sorted(clusters, key=lambda cluster: (-cluster.votes, cluster.samples[0])),
        )

    def with_unanswered(self, count: int, status: FinalStatus) -> Votes:
        """The votes if `count` more samples end with this status."""
        return replace(
            self,
            finished=self.finished + (count if status == "abstained" else 0),
            abstained=self.abstained + (count if status == "abstained" else 0),
            truncated=self.truncated + (count if status == "truncated" else 0),
        )

    def with_started(self, count: int) -> Votes:
        """The votes with `count` more samples started."""
        return replace(self, started=self.started + count)


class Gate(Protocol):
    """A stopping rule: a function from the votes to a decision and its reason.

    `accept` accepts the top answer. `sample_more` starts the next wave, or the synthesis after
    the last wave. `synthesize` starts the synthesis at once.
    """

    def __call__(self, votes: Votes) -> tuple[Decision, str]:
        """Return the decision and its reason."""
        ...


def count_votes(
    samples: Sequence[Sample],
    clusters: Sequence[Cluster],
    kind: Kind,
    *,
    total: int | None = None,
    left: int | None = None,
    guesses_agree: bool = False,
) -> Votes:
    """Count the votes of the voting samples.

    Args:
        samples: the samples that vote.
        clusters: their answers, most votes first.
        kind: the kind of the answers.
        total: the number of samples in all planned waves.
        left: the number of samples that can still be started; default: `total` without `samples`.
        guesses_agree: count guessed answers for the quorum.
    """
    guessed = sum(sample.extraction_method == "last_number" for sample in samples)
    return Votes(
        started=len(samples),
        finished=sum(sample.finished for sample in samples),
        answered=sum(sample.status == "answered" for sample in samples),
        abstained=sum(sample.status == "abstained" for sample in samples),
        truncated=sum(sample.status == "truncated" for sample in samples),
        guessed=0 if guesses_agree else guessed,
        clusters=clusters,
        kind=kind,
        total=total,
        left=max(0, (total or 0) - len(samples)) if left is None else left,
    )
