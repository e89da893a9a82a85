"""The flows that are compared, each replayed on the recorded samples and syntheses."""

from __future__ import annotations

import itertools
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.local_pair.variants import PARAMETERS, Recording


@dataclass(frozen=True, kw_only=True)
class Try:
    """A sample or synthesis: its answer's cluster (`None` without one) and its tokens."""

    answer: int | None
    tokens: int
    model: str

    @property
    def flops(self) -> float:
        """About two floating point operations a parameter and token, prompt and completion."""
        return 2 * PARAMETERS[self.model] * self.tokens


@dataclass(frozen=True, kw_only=True)
class Question:
    """Everything recorded for a question: its samples by recording, its syntheses by variant.

    `right` says which clusters of answers are.
    """

    right: Sequence[bool]
    samples: Mapping[str, Sequence[Try]]
    syntheses: Mapping[str, Try]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a flow made of a question: whether it is right, and what it cost, on average."""

    right: float
    tokens: float
    flops: float
    synthesized: float = 0.0


Flow = Callable[[Question], Outcome]


def single(recording: Recording) -> Flow:
    """One sample: the average over those that were recorded of every question."""

    def play(question: Question) -> Outcome:
        samples = question.samples[recording.name][: recording.sure]
        return _mean(_outcome(question, [one], one.answer) for one in samples)

    return play


def vote(recording: Recording) -> Flow:
    """The majority of all samples; a tie goes to the lowest index, on average over all orders."""

    def play(question: Question) -> Outcome:
        orders = itertools.permutations(question.samples[recording.name])
        return _mean(_outcome(question, order, _top(order)) for order in orders)

    return play


def waves(
    recording: Recording, sizes: Sequence[int], *, any_two: bool, then: Sequence[str] = ()
) -> Flow:
    """Samples in waves, until all of them agree, or any two of them do.

    What is left undecided is put to the vote, or to the syntheses `then`, where they were recorded:
    the last one counts, or where it has no answer the one before, and all are paid.
    All orders of the samples count alike; of a recording that is not whole, only the recorded one.
    """

    def play(question: Question) -> Outcome:
        return _mean(_play(question, order) for order in _orders(question, recording))

    def _play(question: Question, order: Sequence[Try]) -> Outcome:
        drawn: Sequence[Try] = []
        for end in itertools.accumulate(sizes):
            drawn = order[:end]
            votes = Counter(one.answer for one in drawn if one.answer is not None)
            if votes and max(votes.values()) > 1 and (any_two or len(votes) == 1):
                return _outcome(question, drawn, _top(drawn))
        return _concluded(question, drawn, then)

    return play


def cascade(
    small: Recording,
    count: int,
    big: Recording,
    most: int,
    *,
    accept: bool = False,
    then: Sequence[str] = (),
) -> Flow:
    """The first samples of the small model, then of the big one in ones, until two answers agree.

    An answer of the big model may agree with one of the small model's. Two of the small one's are
    enough only if `accept` says so. What is undecided after `most` of the big one is put to the
    syntheses `then`, or to the vote of the big one's.
    """

    def play(question: Question) -> Outcome:
        first, bigger = question.samples[small.name][:count], question.samples[big.name][:most]
        answers = {one.answer for one in first}
        if accept and len(answers) == 1 and None not in answers:
            return _outcome(question, first, first[0].answer)
        for end in range(1, len(bigger) + 1):
            last = bigger[end - 1].answer
            seen = [one.answer for one in (*first, *bigger[: end - 1])]
            if last is not None and last in seen:
                return _outcome(question, [*first, *bigger[:end]], last)
        return _concluded(question, [*first, *bigger], then, prefer=bigger)

    return play


def _orders(question: Question, recording: Recording) -> Iterable[Sequence[Try]]:
    samples = question.samples[recording.name]
    return itertools.permutations(samples) if recording.sure is None else [samples]


def _concluded(
    question: Question,
    drawn: Sequence[Try],
    then: Sequence[str],
    prefer: Sequence[Try] | None = None,
) -> Outcome:
    made = [question.syntheses[name] for name in then if name in question.syntheses]
    found = [one.answer for one in made if one.answer is not None]
    answer = found[-1] if found else _top(prefer or drawn)
    return _outcome(question, [*drawn, *made], answer, synthesized=float(bool(made)))


def _top(drawn: Sequence[Try]) -> int | None:
    answers = [one.answer for one in drawn if one.answer is not None]
    votes = Counter(answers)
    return max(votes, key=lambda answer: (votes[answer], -answers.index(answer)), default=None)


def _outcome(
    question: Question, spent: Sequence[Try], answer: int | None, synthesized: float = 0.0
) -> Outcome:
    return Outcome(
        right=float(answer is not None and question.right[answer]),
        tokens=sum(one.tokens for one in spent),
        flops=sum(one.flops for one in spent),
        synthesized=synthesized,
    )


def _mean(outcomes: Iterable[Outcome]) -> Outcome:
    found = list(outcomes)
    return Outcome(
        right=statistics.fmean(one.right for one in found),
        tokens=statistics.fmean(one.tokens for one in found),
        flops=statistics.fmean(one.flops for one in found),
        synthesized=statistics.fmean(one.synthesized for one in found),
    )
