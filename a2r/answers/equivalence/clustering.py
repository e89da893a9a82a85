"""Clusters of equivalent answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from a2r.answers.argument_types import check_answers
from a2r.answers.equivalence.equivalent import partition
from a2r.answers.sandbox.threads import run_in_thread
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
    seconds_left: float | None = None,
) -> list[Cluster]:
    """Cluster equivalent answers: largest cluster first, ties by lowest position.

    `None` is in no cluster. Takes at most about `settings.cluster_seconds` once the worker
    processes have started; use `acluster` in async code. `seconds_left` limits the time on the
    clock, with the waits for a worker; what is undecided by then counts as different.

    Raises:
        ArgumentTypeError: an argument has another type.
        UnknownKindError: `kind` is not one of the kinds.
    """
    classes = partition(answers, kind, settings, question=question, seconds_left=seconds_left)
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
    seconds_left: float | None = None,
) -> list[Cluster]:
    """Cluster equivalent answers without blocking the event loop; see `cluster`."""
    check_answers(answers)
    if not answers:
        return []
    return await run_in_thread(
        cluster, answers, kind, settings, question=question, seconds_left=seconds_left
    )


def _text(answer: Answer | str | None) -> str:
    return answer.text if isinstance(answer, Answer) else answer or ""
