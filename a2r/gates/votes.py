"""What a gate may look at, and what a gate is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, Protocol

from a2r.answers import Kind
from a2r.config.gate import MIN_ANSWERED
from a2r.result import Cluster, Decision, Sample

Ending = Literal["abstained", "truncated", "failed"]


def exact_fraction(share: float) -> Fraction:
    """A share as a config writes it: 0.28 of 25 are 7, which binary fractions exceed."""
    return Fraction(str(share))


@dataclass(frozen=True, kw_only=True)
class Votes:
    """The votes after a wave, or so far inside one.

    Attributes:
        started: the samples started so far.
        finished: those that ended by themselves with a text, answered or abstained.
        answered: those with an answer; `guessed` of them by a mere guess, which makes no agreement.
        abstained: those that finished without an answer.
        truncated: those cut off by the token limit.
        clusters: the answers, most votes first, each with the indices of its samples.
        kind: the kind of the answers.
        total: the samples of all waves of the plan.
        left: those of them that may still be started.
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
        """The votes of the runner-up; 0 without one."""
        return self.clusters[1].votes if len(self.clusters) > 1 else 0

    @property
    def all_samples(self) -> int:
        """The samples of all waves, or those started where no plan is known."""
        return self.started if self.total is None else max(self.total, self.started)

    def quorum(self, share: float) -> int:
        """How many samples must have answered before there can be agreement."""
        return max(MIN_ANSWERED, math.ceil(exact_fraction(share) * self.started))

    def in_order(self) -> list[int]:
        """For each answered sample, in sample order, the position of its cluster."""
        places = [
            (index, place) for place, group in enumerate(self.clusters) for index in group.samples
        ]
        return [place for _, place in sorted(places)]

    def with_answers(self, indices: Sequence[int], place: int) -> Votes:
        """The votes if these samples join the cluster at `place`, or a new one past the last."""
        if not indices:
            return self
        groups = list(self.clusters)
        if place >= len(groups):
            groups.append(Cluster(answer="", votes=0, samples=[]))
        joined = groups[place]
        groups[place] = joined.model_copy(
            update={
                "votes": joined.votes + len(indices),
                "samples": sorted([*joined.samples, *indices]),
            }
        )
        return replace(
            self,
            finished=self.finished + len(indices),
            answered=self.answered + len(indices),
            clusters=sorted(groups, key=lambda group: (-group.votes, group.samples[0])),
        )

    def with_unanswered(self, count: int, end: Ending) -> Votes:
        """The votes if so many samples end without an answer."""
        return replace(
            self,
            finished=self.finished + (count if end == "abstained" else 0),
            abstained=self.abstained + (count if end == "abstained" else 0),
            truncated=self.truncated + (count if end == "truncated" else 0),
        )

    def with_started(self, count: int) -> Votes:
        """The votes with so many more samples started."""
        return replace(self, started=self.started + count)


class Gate(Protocol):
    """A rule: what should happen after a wave, and why, by the votes in sample order.

    `accept` takes the top answer; `sample_more` asks for the next wave, and for synthesis where
    there is none; `synthesize` asks for synthesis at once. A plain function of the votes is one.
    """

    def __call__(self, votes: Votes) -> tuple[Decision, str]:
        """Decide."""
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
    """The votes of the samples that vote.

    `total` are the samples of all waves of the plan, `left` those that may still be started; they
    are the rest of `total` where that is all.
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
