"""Grouping equivalent answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from a2r.answers.equivalence import Canonical, canonical
from a2r.answers.extraction import Answer
from a2r.result import Kind


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Equivalent answers: the first of them, their number, their positions in the input."""

    answer: str
    votes: int
    samples: tuple[int, ...]


def cluster(answers: Sequence[Answer | str | None], kind: Kind = "auto") -> list[Cluster]:
    """The clusters of answers, largest first, ties by lowest position; `None` joins none."""
    groups: dict[Canonical, list[int]] = {}
    texts: dict[Canonical, str] = {}
    for position, answer in enumerate(answers):
        if answer is None:
            continue
        key = canonical(answer, kind)
        groups.setdefault(key, []).append(position)
        texts.setdefault(key, answer.text if isinstance(answer, Answer) else answer)
    clusters = [
        Cluster(answer=texts[key], votes=len(members), samples=tuple(members))
        for key, members in groups.items()
    ]
    return sorted(clusters, key=lambda c: (-c.votes, c.samples[0]))
