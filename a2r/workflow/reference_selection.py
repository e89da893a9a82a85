"""The references of a synthesis: which solutions, in which order, and how much of each."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from a2r.config.synthesis import ReferencesConfig
from a2r.result import Attempt, Cluster, Sample

ELLIPSIS = " […] "
SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s+|\n+")
# Characters below which a truncated solution says little: omit one that repeats an answer.
MIN_TAIL_SENTENCES = 1200
MIN_CHARACTERS = 120
TAIL_SHARE = 0.4


@dataclass(frozen=True, kw_only=True)
class Reference:
    """One solution as the synthesizer sees it; `attempt` is the index of its sample or synthesis.

    `cluster` is the number of its answer's cluster, or `None` without an answer; `votes` is the
    size of that cluster.
    """

    text: str
    attempt: int
    answer: str | None = None
    cluster: int | None = None
    votes: int = 0

    def to_json(self) -> dict[str, Any]:
        """The reference as a JSON object of the state."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Reference:
        """A reference from a JSON object of the state."""
        return cls(**data)


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
    shuffled = shuffle(references, seed, question)
    if config.order == "votes":
        return sorted(shuffled, key=lambda reference: -reference.votes)
    return shuffled


def shuffle(references: Sequence[Reference], seed: int | None, question: str) -> list[Reference]:
    """The references in an order that the seed and the question fix (an unset seed counts as 0)."""
    order = list(references)
    random.Random(f"{seed or 0}:{question}").shuffle(order)
    return order


def fit_to_length(references: Sequence[Reference], characters: int) -> list[Reference]:
    """The references within so many characters: the longest are truncated, duplicates go first.

    While an equal share leaves too little of each, the answer with the most references loses
    one; an answer loses its last one only when each has a single one, the fewest votes first.
    """
    selected = list(references)
    while selected:
        level = _level([len(reference.text) for reference in selected], characters)
        if level is None:
            return selected
        drop = _superfluous(selected, level)
        if drop is None:
            return [replace(ref, text=truncate(ref.text, level)) for ref in selected]
        selected.remove(drop)
    return selected


def truncate(text: str, characters: int) -> str:
    """The text cut at sentences to at most so many characters: its start, an ellipsis, its end."""
    if len(text) <= characters:
        return text
    room = characters - len(ELLIPSIS)
    if room <= 0:
        return text[-max(1, characters) :]
    tail = _tail(text, int(room * TAIL_SHARE))
    head = _head(text[: len(text) - len(tail)], room - len(tail))
    return f"{head.rstrip()}{ELLIPSIS}{tail.lstrip()}"


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


def _level(lengths: Sequence[int], room: int) -> int | None:
    """The length to which the longest are truncated so that all fit; `None` if all fit already."""
    if sum(lengths) <= room:
        return None
    left, level = room, 0
    for position, length in enumerate(sorted(lengths)):
        level = max(0, left) // (len(lengths) - position)
        if length > level:
            break
        left -= length
    return level


def _superfluous(references: Sequence[Reference], level: int) -> Reference | None:
    """The reference to omit before all are truncated to a level; `None` to truncate them."""
    if level >= MIN_TAIL_SENTENCES or len(references) == 1:
        return None
    sizes: dict[int | None, int] = {}
    for reference in references:
        sizes[reference.cluster] = sizes.get(reference.cluster, 0) + 1
    biggest = max(sizes.values())
    if biggest > 1:
        crowded = [ref for ref in references if sizes[ref.cluster] == biggest]
        return max(crowded, key=lambda ref: len(ref.text))
    if level >= MIN_CHARACTERS:
        return None
    return min(references, key=lambda ref: (ref.votes, -len(ref.text)))


def _tail(text: str, characters: int) -> str:
    """The last full sentences of a text; its last characters where one sentence is too long."""
    start = len(text)
    for end in reversed(list(SENTENCE_END.finditer(text))):
        if len(text) - end.end() > characters:
            break
        start = end.end()
    tail = text[start:]
    return tail if tail.strip() else text[-characters:] if characters > 0 else ""


def _head(text: str, characters: int) -> str:
    """The first full sentences of a text; its first characters where one sentence is too long."""
    stop = 0
    for end in SENTENCE_END.finditer(text):
        if end.start() > characters:
            break
        stop = end.start()
    return text[:stop] if stop else text[: max(0, characters)]
