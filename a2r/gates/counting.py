"""From samples and clusters to the votes that a gate looks at."""

from __future__ import annotations

from collections.abc import Sequence

from a2r.answers import Kind
from a2r.gates.votes import Votes
from a2r.result import Cluster, Sample


def count(
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
    guessed = sum(sample.how == "last_number" for sample in samples)
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
