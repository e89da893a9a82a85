"""Whose answers count, and which of them are the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from a2r import answers
from a2r.answers import Kind, Settings
from a2r.config import Config
from a2r.result import Attempt, Cluster, Role, Sample

A = TypeVar("A", bound=Attempt)
T = TypeVar("T")
# Some 10 us for each 100 characters; a thread takes 100 us, and more where others wait, too.
CHEAP_CHARACTERS = 4_000


def voting_samples(
    samples: Sequence[Sample], config: Config, *, role: Role | None = None
) -> list[Sample]:
    """The samples that vote: all, or in a cascade those of the synthesizer's model alone.

    `role` is whose samples are under way, where that is not the last sample's.
    """
    last = role or (samples[-1].role if samples else "explorer")
    if last == "synthesizer" and config.cascade.votes == "synthesizer":
        return [sample for sample in samples if sample.role == "synthesizer"]
    return list(samples)


def extract_answer(sample: Sample, kind: Kind, question: str, settings: Settings) -> Sample:
    """A finished sample with its answer, or status `abstained` where it has none."""
    if sample.status != "answered" or sample.answer is not None:
        return sample
    found = answers.extract(sample.text, kind, question, settings)
    if found is None:
        return sample.model_copy(update={"status": "abstained"})
    return sample.model_copy(
        update={"answer": found.text, "extraction_method": found.extraction_method}
    )


def is_cheap(texts: Iterable[str], settings: Settings) -> bool:
    """Whether reading texts for answers takes less time than to have a thread do it.

    Whether an answer conforms to a schema is asked of another process, which may take its time.
    """
    return settings.json_schema is None and sum(map(len, texts)) <= CHEAP_CHARACTERS


async def run_off_loop(work: Callable[[], T], texts: Iterable[str], settings: Settings) -> T:
    """What reading texts for answers gives: at once where that is quick, else in a thread."""
    return work() if is_cheap(texts, settings) else await asyncio.to_thread(work)


async def cluster_answers(
    attempts: Sequence[Attempt], kind: Kind, settings: Settings
) -> list[Cluster]:
    """`clusters_at_once` without blocking the event loop."""
    found = {attempt.answer for attempt in attempts if attempt.answer is not None}
    if not found:
        return []
    if len(found) == 1 and is_cheap(found, settings):
        return cluster_answers_sync(attempts, kind, settings)
    return await asyncio.to_thread(cluster_answers_sync, attempts, kind, settings)


def cluster_answers_sync(
    attempts: Sequence[Attempt], kind: Kind, settings: Settings
) -> list[Cluster]:
    """The clusters of the attempts' answers, most votes first, with the attempts' indices.

    Ties go to the lowest index; where the bigger model of a cascade voted, to its answers first.
    """
    bigger = {a.index for a in attempts if isinstance(a, Sample) and a.role == "synthesizer"}
    voting = [attempt for attempt in attempts if attempt.answer is not None]
    found = answers.cluster([attempt.answer for attempt in voting], kind, settings)
    clusters = [
        Cluster(
            answer=group.answer,
            votes=group.votes,
            samples=sorted(voting[place].index for place in group.samples),
            undecided=group.undecided,
        )
        for group in found
    ]
    return sorted(
        clusters,
        key=lambda one: (-one.votes, bigger.isdisjoint(one.samples), one.samples[0]),
    )
