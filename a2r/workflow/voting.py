"""Votes: extract the answers of samples, and cluster the equivalent ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from a2r import answers
from a2r.answers import Kind, Settings
from a2r.answers.sandbox.threads import run_in_thread
from a2r.config import Config
from a2r.result import Attempt, Cluster, Role, Sample

A = TypeVar("A", bound=Attempt)
T = TypeVar("T")
# 10 us for each 100 characters; a thread takes 100 us, more where others wait for one.
CHEAP_CHARACTERS = 4_000


def voting_samples(
    samples: Sequence[Sample], config: Config, *, role: Role | None = None
) -> list[Sample]:
    """The samples that vote: all, or in a cascade only those of the synthesizer's model.

    `role` is the role that draws now, where it differs from that of the last sample.
    """
    last = role or (samples[-1].role if samples else "explorer")
    if last == "synthesizer" and config.cascade.votes == "synthesizer":
        return [sample for sample in samples if sample.role == "synthesizer"]
    return list(samples)


def extract_answer(sample: Sample, kind: Kind, question: str, settings: Settings) -> Sample:
    """The sample with its answer; status `abstained` where its text holds none."""
    if sample.status != "answered" or sample.answer is not None:
        return sample
    answer = answers.extract(sample.text, kind, question, settings)
    if answer is None:
        return sample.model_copy(update={"status": "abstained"})
    return sample.model_copy(
        update={"answer": answer.text, "extraction_method": answer.extraction_method}
    )


def is_cheap(texts: Iterable[str], settings: Settings) -> bool:
    """Whether extraction from these texts is faster than handing it to a thread.

    It is not where answers are validated against a schema: a worker process does that.
    """
    return settings.json_schema is None and sum(map(len, texts)) <= CHEAP_CHARACTERS


async def run_off_loop(work: Callable[[], T], texts: Iterable[str], settings: Settings) -> T:
    """Run an extraction from texts: directly where that is fast, else in a thread."""
    return work() if is_cheap(texts, settings) else await run_in_thread(work)


async def cluster_answers(
    attempts: Sequence[Attempt],
    kind: Kind,
    settings: Settings,
    question: str,
    *,
    seconds_left: float | None = None,
) -> list[Cluster]:
    """As `cluster_answers_sync`, without blocking the event loop."""
    different = {attempt.answer for attempt in attempts if attempt.answer is not None}
    if not different:
        return []
    if len(different) == 1 and is_cheap(different, settings):
        return cluster_answers_sync(attempts, kind, settings, question)
    return await run_in_thread(
        cluster_answers_sync, attempts, kind, settings, question, seconds_left=seconds_left
    )


def cluster_answers_sync(
    attempts: Sequence[Attempt],
    kind: Kind,
    settings: Settings,
    question: str,
    *,
    seconds_left: float | None = None,
) -> list[Cluster]:
    """The clusters of the attempts' answers, most votes first, with the attempts' indices.

    `seconds_left` is the maximum time on the clock, in seconds; what is undecided by then counts as
    different. Ties go to the answers of a cascade's bigger model, then to the lowest index.
    """
    bigger = {a.index for a in attempts if isinstance(a, Sample) and a.role == "synthesizer"}
    voting = [attempt for attempt in attempts if attempt.answer is not None]
    texts = [attempt.answer for attempt in voting]
    groups = answers.cluster(texts, kind, settings, question=question, seconds_left=seconds_left)
    clusters = [
        Cluster(
            answer=group.answer,
            votes=group.votes,
            samples=sorted(voting[position].index for position in group.samples),
            undecided=group.undecided,
        )
        for group in groups
    ]
    return sorted(
        clusters,
        key=lambda cluster: (
            -cluster.votes,
            bigger.isdisjoint(cluster.samples),
            cluster.samples[0],
        ),
    )
