"""The strategies under comparison, simulated on the recorded samples and syntheses."""

from __future__ import annotations

import itertools
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.local_pair.variants import PARAMETERS, Recording


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A sample or synthesis: the cluster of its answer (`None` without one) and its tokens."""

    answer: int | None
    tokens: int
    model: str

    @property
    def flops(self) -> float:
        """About two floating point operations per parameter and token (prompt and completion)."""
        return 2 * PARAMETERS[self.model] * self.tokens


@dataclass(frozen=True, kw_only=True)
class Question:
    """The recorded attempts of a question: samples by recording, syntheses by variant.

    `is_correct` has a flag per answer cluster.
    """

    is_correct: Sequence[bool]
    samples: Mapping[str, Sequence[Attempt]]
    syntheses: Mapping[str, Attempt]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The mean outcome of a strategy on a question: accuracy and cost."""

    accuracy: float
    tokens: float
    flops: float
    synthesized: float = 0.0


Strategy = Callable[[Question], Outcome]


def single(recording: Recording) -> Strategy:
    """A single sample, averaged over the samples recorded for every question."""

    def simulate(question: Question) -> Outcome:
        samples = question.samples[recording.name][: recording.initial_count]
        return _mean(_outcome(question, [sample], sample.answer) for sample in samples)

    return simulate


def vote(recording: Recording) -> Strategy:
    """The majority of all samples, averaged over all orders; ties go to the lowest index."""

    def simulate(question: Question) -> Outcome:
        orders = itertools.permutations(question.samples[recording.name])
        return _mean(_outcome(question, order, _majority(order)) for order in orders)

    return simulate


def waves(
    recording: Recording, sizes: Sequence[int], *, any_two: bool, then: Sequence[str] = ()
) -> Strategy:
    """Samples in waves, until all of them agree, or with `any_two` any two of them.

    If they never agree, the syntheses `then` decide if they were recorded, else the vote. The
    answer is that of the last synthesis with an answer; all of them count as cost. The outcome is
    the mean over all orders of the samples, or the recorded order if the recording is adaptive.
    """

    def simulate(question: Question) -> Outcome:
        return _mean(_simulate_order(question, order) for order in _orders(question, recording))

    def _simulate_order(question: Question, order: Sequence[Attempt]) -> Outcome:
        samples: Sequence[Attempt] = []
        for end in itertools.accumulate(sizes):
            samples = order[:end]
            votes = Counter(sample.answer for sample in samples if sample.answer is not None)
            if votes and max(votes.values()) > 1 and (any_two or len(votes) == 1):
                return _outcome(question, samples, _majority(samples))
        return _conclude(question, samples, then)

    return simulate


def cascade(
    small: Recording,
    count: int,
    big: Recording,
    max_big: int,
    *,
    accept: bool = False,
    then: Sequence[str] = (),
) -> Strategy:
    """Samples of the small model, then of the big one one by one, until two answers agree.

    An answer of the big model may agree with one of the small model. Agreement within the small
    model's samples is enough only with `accept`. Without agreement after `max_big` samples of the
    big model, the syntheses `then` decide, or the vote of the big model's samples.
    """

    def simulate(question: Question) -> Outcome:
        small_samples = question.samples[small.name][:count]
        big_samples = question.samples[big.name][:max_big]
        answers = {sample.answer for sample in small_samples}
        if accept and len(answers) == 1 and None not in answers:
            return _outcome(question, small_samples, small_samples[0].answer)
        for end in range(1, len(big_samples) + 1):
            last = big_samples[end - 1].answer
            previous = [sample.answer for sample in (*small_samples, *big_samples[: end - 1])]
            if last is not None and last in previous:
                return _outcome(question, [*small_samples, *big_samples[:end]], last)
        return _conclude(question, [*small_samples, *big_samples], then, voters=big_samples)

    return simulate


def _orders(question: Question, recording: Recording) -> Iterable[Sequence[Attempt]]:
    samples = question.samples[recording.name]
    return itertools.permutations(samples) if recording.initial_count is None else [samples]


def _conclude(
    question: Question,
    samples: Sequence[Attempt],
    then: Sequence[str],
    voters: Sequence[Attempt] | None = None,
) -> Outcome:
    syntheses = [question.syntheses[name] for name in then if name in question.syntheses]
    answers = [synthesis.answer for synthesis in syntheses if synthesis.answer is not None]
    answer = answers[-1] if answers else _majority(voters or samples)
    return _outcome(question, [*samples, *syntheses], answer, synthesized=float(bool(syntheses)))


def _majority(samples: Sequence[Attempt]) -> int | None:
    answers = [sample.answer for sample in samples if sample.answer is not None]
    votes = Counter(answers)
    return max(votes, key=lambda answer: (votes[answer], -answers.index(answer)), default=None)


def _outcome(
    question: Question, attempts: Sequence[Attempt], answer: int | None, synthesized: float = 0.0
) -> Outcome:
    return Outcome(
        accuracy=float(answer is not None and question.is_correct[answer]),
        tokens=sum(attempt.tokens for attempt in attempts),
        flops=sum(attempt.flops for attempt in attempts),
        synthesized=synthesized,
    )


def _mean(outcomes: Iterable[Outcome]) -> Outcome:
    values = list(outcomes)
    return Outcome(
        accuracy=statistics.fmean(outcome.accuracy for outcome in values),
        tokens=statistics.fmean(outcome.tokens for outcome in values),
        flops=statistics.fmean(outcome.flops for outcome in values),
        synthesized=statistics.fmean(outcome.synthesized for outcome in values),
    )
