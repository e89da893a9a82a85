"""Clusters of equivalent answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from a2r.answers.equivalence.equivalent import partition
from a2r.answers.settings import DEFAULTS, Settings
from a2r.answers.types import Answer, Kind


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Equivalent answers: the first of them, their number, and their positions in the input.

    `undecided` is true if a comparison with another cluster could not be decided in time; the
    answers then count as different.
    """

    answer: str
    votes: int
    samples: tuple[int, ...]
    undecided: bool = False


def cluster(
    answers: Sequence[Answer | str | None],
    kind: Kind = "auto",
    settings: Settings = DEFAULTS,
    *,
    question: str | None = None,
) -> list[Cluster]:
    """Cluster equivalent answers: largest cluster first, ties by lowest position.

    `None` is in no cluster. Takes at most about `settings.cluster_seconds` once the worker
    processes have started; use `acluster` in async code.

    Raises:
        UnknownKindError: `kind` is not one of the kinds.
    """
    classes = partition(answers, kind, settings, question=question)
    clusters = [
        Cluster(
            answer=_text(answers[group[0]]),
            votes=len(group),
            samples=tuple(group),
            undecided=group[0] in classes.undecided,
        )
        for group in classes.groups
    ]
    return sorted(clusters, key=lambda c: (-c.votes, c.samples[0]))


async def acluster(
    answers: Sequence[Answer | str | None],
    kind: Kind = "auto",
    settings: Settings = DEFAULTS,
    *,
    question: str | None = None,
) -> list[Cluster]:
    """Cluster equivalent answers without blocking the event loop; see `cluster`."""
    if not answers:
        return []
    return await asyncio.to_thread(cluster, answers, kind, settings, question=question)


def _text(answer: Answer | str | None) -> str:
    return answer.text if isinstance(answer, Answer) else answer or ""
