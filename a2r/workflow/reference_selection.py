"""The references of a synthesis: which solutions, by the `references` section of a config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from a2r.config.synthesis import ReferencesConfig
from a2r.result import Attempt, Cluster, Sample
from a2r.workflow.reference import Reference
from a2r.workflow.reference_order import order_references


def select_references(
    attempts: Sequence[Attempt],
    clusters: Sequence[Cluster],
    config: ReferencesConfig,
    *,
    seed: int | None,
    question: str,
) -> list[Reference]:
    """The references by the config's policy, in its order.

    `clusters` are those of the attempts' answers. Texts without an answer are omitted where the
    policy includes only some of each cluster, or answers alone, unless no text has an answer.
    """
    finished = [attempt for attempt in _by_role(attempts, config) if attempt.finished]
    numbers = {index: number for number, group in enumerate(clusters) for index in group.samples}
    references = [_reference(attempt, numbers, clusters, config) for attempt in finished]
    if config.content == "answer" and numbers:
        references = [reference for reference in references if reference.cluster is not None]
    if config.include == "clusters":
        references = _per_cluster(references, config)
    return order_references(references, config.order, seed=seed, question=question)


def _by_role(attempts: Sequence[Attempt], config: ReferencesConfig) -> list[Attempt]:
    if config.roles == "all":
        return list(attempts)
    selected = [a for a in attempts if not isinstance(a, Sample) or a.role == config.roles]
    return selected if any(attempt.finished for attempt in selected) else list(attempts)


def _reference(
    attempt: Attempt,
    numbers: Mapping[int, int],
    clusters: Sequence[Cluster],
    config: ReferencesConfig,
) -> Reference:
    number = numbers.get(attempt.index)
    answer_alone = config.content == "answer" and attempt.answer is not None
    return Reference(
        text=(attempt.answer or "") if answer_alone else attempt.text,
        attempt=attempt.index,
        answer=attempt.answer,
        cluster=number,
        votes=0 if number is None else clusters[number].votes,
    )


def _per_cluster(references: Sequence[Reference], config: ReferencesConfig) -> list[Reference]:
    groups: dict[int, list[Reference]] = {}
    for reference in references:
        if reference.cluster is not None:
            groups.setdefault(reference.cluster, []).append(reference)
    if not groups:
        return list(references)
    return [ref for group in groups.values() for ref in _choose(group, config)]


def _choose(group: Sequence[Reference], config: ReferencesConfig) -> list[Reference]:
    if config.choose == "first":
        return list(group[: config.per_cluster])
    by_length = sorted(group, key=lambda reference: len(reference.text))
    if config.choose == "shortest":
        return by_length[: config.per_cluster]
    middle = len(by_length[(len(by_length) - 1) // 2].text)
    return sorted(group, key=lambda ref: abs(len(ref.text) - middle))[: config.per_cluster]
