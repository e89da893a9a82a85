"""The flows that are compared, each replayed on the recorded samples and syntheses."""

from __future__ import annotations

import itertools
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.local_pair.variants import BIG, PARAMETERS, SMALL


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
    """Everything recorded for a question; `right` says which clusters are."""

    right: Sequence[bool]
    small: Sequence[Try]
    big: Sequence[Try]
    alone: Try
    syntheses: Mapping[str, Try]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a flow made of a question: whether it is right, and what it cost, on average."""

    right: float
    tokens: float
    flops: float
    synthesized: float = 0.0


Flow = Callable[[Question], Outcome]


def single(model: str) -> Flow:
    """One sample of a model: the average over all that were recorded."""

    def play(question: Question) -> Outcome:
        return _mean(_outcome(question, [one], one.answer) for one in _samples(question, model))

    return play


def alone(question: Question) -> Outcome:
    """One sample of the big model at the synthesizer's temperature."""
    return _outcome(question, [question.alone], question.alone.answer)


def vote(model: str) -> Flow:
    """The majority of four samples; a tie goes to the lowest index, on average over all orders."""

    def play(question: Question) -> Outcome:
        return _mean(_outcome(question, order, _top(order)) for order in _orders(question, model))

    return play


def waves(model: str, sizes: Sequence[int], *, agreeing: bool, then: str | None = None) -> Flow:
    """Samples in waves, until all of them agree, or (`agreeing`) until any two do.

    What is left undecided is put to the vote, or to the synthesis `then`, where one was recorded.
    """

    def play(question: Question) -> Outcome:
        return _mean(_play(question, order) for order in _orders(question, model))

    def _play(question: Question, order: Sequence[Try]) -> Outcome:
        for end in itertools.accumulate(sizes):
            drawn = order[:end]
            votes = Counter(one.answer for one in drawn if one.answer is not None)
            if votes and max(votes.values()) > 1 and (agreeing or len(votes) == 1):
                return _outcome(question, drawn, _top(drawn))
        return _concluded(question, drawn, then)

    return play


def cascade(small: int, *, accept: bool, then: str | None = None) -> Flow:
    """Samples of the small model, then of the big one, until two answers agree.

    The small ones end it if all of them agree and `accept` says so; a big one's agreement with a
    small one counts. `then` is the synthesis of what is undecided after two big ones.
    """

    def play(question: Question) -> Outcome:
        first = question.small[:small]
        pairs = list(itertools.permutations(question.big, 2)) if then is None else None
        return _mean(_play(question, first, pair) for pair in pairs or [question.big[:2]])

    def _play(question: Question, first: Sequence[Try], big: Sequence[Try]) -> Outcome:
        answers = {one.answer for one in first}
        if accept and len(first) > 1 and len(answers) == 1 and None not in answers:
            return _outcome(question, first, first[0].answer)
        for end in range(1, len(big) + 1):
            last = big[end - 1].answer
            seen = [one.answer for one in (*first, *big[: end - 1])]
            if last is not None and last in seen:
                return _outcome(question, [*first, *big[:end]], last)
        return _concluded(question, [*first, *big], then, prefer=big)

    return play


def _concluded(
    question: Question,
    drawn: Sequence[Try],
    then: str | None,
    prefer: Sequence[Try] | None = None,
) -> Outcome:
    made = question.syntheses.get(then) if then is not None else None
    top = _top(prefer or drawn)
    if made is None:
        return _outcome(question, drawn, top)
    answer = made.answer if made.answer is not None else top
    return _outcome(question, [*drawn, made], answer, synthesized=1.0)


def _samples(question: Question, model: str) -> Sequence[Try]:
    return {SMALL: question.small, BIG: question.big}[model]


def _orders(question: Question, model: str) -> Iterator[Sequence[Try]]:
    return itertools.permutations(_samples(question, model))


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


def _mean(outcomes: Iterator[Outcome]) -> Outcome:
    found = list(outcomes)
    return Outcome(
        right=statistics.fmean(one.right for one in found),
        tokens=statistics.fmean(one.tokens for one in found),
        flops=statistics.fmean(one.flops for one in found),
        synthesized=statistics.fmean(one.synthesized for one in found),
    )
