"""References: which solutions the synthesizer is shown, in which order, and how much of each."""

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
# Below this a cut solution says little: rather leave out one that repeats another's answer.
MIN_TAIL_SENTENCES = 1200
MIN_CHARACTERS = 120
TAIL_SHARE = 0.4


@dataclass(frozen=True, kw_only=True)
class Reference:
    """One solution as the synthesizer sees it; `attempt` is the index of what it came from.

    `cluster` numbers its answer, or is `None` where it has none; `votes` is that answer's.
    """

    text: str
    attempt: int
    answer: str | None = None
    cluster: int | None = None
    votes: int = 0

    def to_json(self) -> dict[str, Any]:
        """The reference as a state keeps it."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Reference:
        """A reference as a state keeps it."""
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

    `clusters` are those of the attempts' answers; texts without an answer are left out where
    only some of each cluster, or answers alone, are taken, unless nothing has an answer.
    """
    finished = [attempt for attempt in _by_role(attempts, config) if attempt.finished]
    places = {index: place for place, group in enumerate(clusters) for index in group.samples}
    all_ = [_reference(attempt, places, clusters, config) for attempt in finished]
    if config.content == "answer" and places:
        all_ = [reference for reference in all_ if reference.cluster is not None]
    taken = _per_cluster(all_, config) if config.include == "clusters" else all_
    mixed = shuffle(taken, seed, question)
    if config.order == "votes":
        return sorted(mixed, key=lambda reference: -reference.votes)
    return mixed


def shuffle(references: Sequence[Reference], seed: int | None, question: str) -> list[Reference]:
    """The references in an order that the seed and the question fix (an unset seed counts as 0)."""
    order = list(references)
    random.Random(f"{seed or 0}:{question}").shuffle(order)
    return order


def fit_to_length(references: Sequence[Reference], characters: int) -> list[Reference]:
    """The references in so many characters: the longest cut, duplicates left out before others.

    While an equal share would leave too little of each, the answer with the most references loses
    one; an answer loses its last one only when all have but one, the fewest votes first.
    """
    kept = list(references)
    while kept:
        level = _level([len(reference.text) for reference in kept], characters)
        if level is None:
            return kept
        drop = _superfluous(kept, level)
        if drop is None:
            return [replace(one, text=truncate(one.text, level)) for one in kept]
        kept.remove(drop)
    return kept


def truncate(text: str, characters: int) -> str:
    """A text cut at sentences to at most so many characters, its end kept, with a mark."""
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
    own = [a for a in attempts if not isinstance(a, Sample) or a.role == config.roles]
    return own if any(attempt.finished for attempt in own) else list(attempts)


def _reference(
    attempt: Attempt,
    places: Mapping[int, int],
    clusters: Sequence[Cluster],
    config: ReferencesConfig,
) -> Reference:
    place = places.get(attempt.index)
    answer_alone = config.content == "answer" and attempt.answer is not None
    return Reference(
        text=(attempt.answer or "") if answer_alone else attempt.text,
        attempt=attempt.index,
        answer=attempt.answer,
        cluster=place,
        votes=0 if place is None else clusters[place].votes,
    )


def _per_cluster(references: Sequence[Reference], config: ReferencesConfig) -> list[Reference]:
    groups: dict[int, list[Reference]] = {}
    for reference in references:
        if reference.cluster is not None:
            groups.setdefault(reference.cluster, []).append(reference)
    if not groups:
        return list(references)
    return [one for group in groups.values() for one in _choose(group, config)]


def _choose(group: Sequence[Reference], config: ReferencesConfig) -> list[Reference]:
    if config.choose == "first":
        return list(group[: config.per_cluster])
    by_length = sorted(group, key=lambda reference: len(reference.text))
    if config.choose == "shortest":
        return by_length[: config.per_cluster]
    middle = len(by_length[(len(by_length) - 1) // 2].text)
    return sorted(group, key=lambda one: abs(len(one.text) - middle))[: config.per_cluster]


def _level(lengths: Sequence[int], room: int) -> int | None:
    """The length to which the longest are cut so that all fit; `None` if they do as they are."""
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
    """The reference to leave out rather than to cut all to a level; `None` to cut them."""
    if level >= MIN_TAIL_SENTENCES or len(references) == 1:
        return None
    sizes: dict[int | None, int] = {}
    for reference in references:
        sizes[reference.cluster] = sizes.get(reference.cluster, 0) + 1
    biggest = max(sizes.values())
    if biggest > 1:
        crowded = [one for one in references if sizes[one.cluster] == biggest]
        return max(crowded, key=lambda one: len(one.text))
    if level >= MIN_CHARACTERS:
        return None
    return min(references, key=lambda one: (one.votes, -len(one.text)))


def _tail(text: str, characters: int) -> str:
    """The last whole sentences of a text; the mere end, where the last one is too long."""
    start = len(text)
    for end in reversed(list(SENTENCE_END.finditer(text))):
        if len(text) - end.end() > characters:
            break
        start = end.end()
    tail = text[start:]
    return tail if tail.strip() else text[-characters:] if characters > 0 else ""


def _head(text: str, characters: int) -> str:
    """The first whole sentences of a text; the mere beginning, where the first is too long."""
    stop = 0
    for end in SENTENCE_END.finditer(text):
        if end.start() > characters:
            break
        stop = end.start()
    return text[:stop] if stop else text[: max(0, characters)]
