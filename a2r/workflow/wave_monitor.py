"""A wave under way: which of its samples still run, and which of them may be given up."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from a2r.answers import Kind, Settings
from a2r.config.limits import StopConfig
from a2r.gates import Gate, Plan, Votes, is_settled
from a2r.gates.decision import is_monotone
from a2r.gates.rules import Unanimous, never
from a2r.gates.votes import count_votes
from a2r.inference.cancellation import CancelToken
from a2r.result import Cluster, ErrorType, Sample
from a2r.workflow.voting import cluster_answers_sync, extract_answer, is_cheap


@dataclass(frozen=True, kw_only=True)
class WaveContext:
    """By what a wave is judged before its end.

    `kind` is `None` while what the answers are is not certain; `total` are the samples of all
    waves of the plan, `left` those of the waves to come.
    """

    gate: Gate
    plan: Plan
    stop: StopConfig
    settings: Settings
    question: str
    kind: Kind | None
    total: int
    left: int
    guesses_agree: bool

    @property
    def can_settle(self) -> bool:
        """Whether a wave could ever be settled before its end."""
        if not self.stop.lossless or self.kind is None:
            return False
        if self.gate is never or not self.plan.synthesis:
            return True
        return is_monotone(self.gate) and not isinstance(self.gate, Unanimous)


@dataclass
class WaveMonitor:
    """Watches the samples of one wave in this process; safe across threads and event loops.

    A sample that ended in an earlier process is never seen here, and counts as one that runs.
    """

    context: WaveContext
    earlier: Sequence[Sample]
    indices: Sequence[int]
    started: float = field(default_factory=time.monotonic)
    _running: dict[int, CancelToken] = field(default_factory=dict)
    _finished: dict[int, Sample] = field(default_factory=dict)
    _answers: dict[int, Sample] = field(default_factory=dict)
    _cancelled: tuple[str, ErrorType] | None = None
    _timer: threading.Timer | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @contextmanager
    def track(self, index: int) -> Iterator[CancelToken]:
        """The switch by which the sample at an index is given up, while it runs."""
        stop = CancelToken()
        with self._lock:
            self._running[index] = stop
            if self._cancelled:
                stop.cancel(*self._cancelled)
        try:
            yield stop
        finally:
            with self._lock:
                del self._running[index]

    async def finish(self, sample: Sample) -> None:
        """Note how a sample ended, and give up those that need not end any more."""
        with self._lock:
            self._finished[sample.index] = sample
            ended = list(self._finished.values())
            still = [index for index in self.indices if index not in self._finished]
            over = self._cancelled is not None
        if over or not still:
            self._disarm()
            return
        if self.context.can_settle or self.context.stop.straggler == "decided":
            await self._evaluate(ended, still)
        if self.context.stop.straggler == "slow":
            self._arm(ended)

    async def _evaluate(self, ended: Sequence[Sample], still: Sequence[int]) -> None:
        if self.context.kind is None or sum(sample.finished for sample in ended) == 0:
            return
        watched = self.context.stop.straggler == "decided"
        agreeing = sum(sample.finished for sample in [*self.earlier, *ended])
        if not watched and agreeing < len(still):
            # Those that still run could outvote all so far.
            return
        if not watched and not self._is_settled(self._in_agreement(ended, len(still)), still):
            return
        ways = await self._outcomes_of(ended, len(still))
        if self.context.can_settle and all(self._is_settled(votes, still) for votes in ways):
            if len({votes.clusters[0].samples[0] for votes in ways}) == 1:
                self._cancel_rest("the outcome can't change any more", "stopped")
        elif self.context.stop.straggler == "decided" and _cannot_accept(
            self.context.gate, ways[0], still
        ):
            self._cancel_rest("straggler: the gate can't accept any more", "straggler")

    async def _outcomes_of(self, ended: Sequence[Sample], open_: int) -> list[Votes]:
        """The votes in each way of comparing, found in one thread where it takes time."""
        texts = (self.context.question, *(sample.text for sample in ended))
        if is_cheap(texts, self.context.settings):
            answers = {sample.answer for sample in [*self.earlier, *map(self._extract, ended)]}
            if len(answers - {None}) == 1:
                return self._outcomes(ended, open_)
        return await asyncio.to_thread(self._outcomes, ended, open_)

    def _is_settled(self, votes: Votes, still: Sequence[int]) -> bool:
        return is_settled(self.context.gate, votes, still, self.context.plan)

    def _in_agreement(self, ended: Sequence[Sample], open_: int) -> Votes:
        """The votes at their best: as if all that finished agreed. No answer is read for it."""
        voting = [*self.earlier, *ended]
        agreeing = [sample.index for sample in voting if sample.finished]
        votes = self._with_votes(voting, [], open_)
        return replace(votes, answered=0, finished=0, guessed=0).with_answers(agreeing, 0)

    def _units(self) -> list[Settings]:
        """The ways in which the whole wave's answers may be compared.

        Units that are shared so far are not, once an answer with another unit comes.
        """
        own = self.context.settings
        return [own] if own.units == "strict" else [own, replace(own, units="strict")]

    def _outcomes(self, ended: Sequence[Sample], open_: int) -> list[Votes]:
        voting = [*self.earlier, *map(self._extract, ended)]
        return [self._votes(voting, open_, units) for units in self._units()]

    def _extract(self, sample: Sample) -> Sample:
        """A sample with its answer, which is looked for once."""
        rules = self.context
        if sample.index not in self._answers:
            read = extract_answer(sample, rules.kind or "auto", rules.question, rules.settings)
            self._answers[sample.index] = read
        return self._answers[sample.index]

    def _votes(self, samples: Sequence[Sample], open_: int, settings: Settings) -> Votes:
        clusters = cluster_answers_sync(samples, self.context.kind or "auto", settings)
        return self._with_votes(samples, clusters, open_)

    def _with_votes(
        self, samples: Sequence[Sample], clusters: Sequence[Cluster], open_: int
    ) -> Votes:
        votes = count_votes(
            samples,
            clusters,
            self.context.kind or "auto",
            total=self.context.total,
            left=self.context.left,
            guesses_agree=self.context.guesses_agree,
        )
        return replace(votes, started=votes.started + open_)

    def _arm(self, ended: Sequence[Sample]) -> None:
        """Set the clock for the slow ones, once enough of the wave have ended."""
        enough = math.ceil(self.context.stop.share * len(self.indices))
        with self._lock:
            if self._timer is not None or len(ended) < enough:
                return
            seconds = (time.monotonic() - self.started) * (self.context.stop.factor - 1)
            reason = f"straggler: {len(ended)} of {len(self.indices)} ended much sooner"
            self._timer = threading.Timer(seconds, self._cancel_rest, (reason, "straggler"))
            self._timer.daemon = True
            self._timer.start()

    def _disarm(self) -> None:
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()

    def _cancel_rest(self, reason: str, fault: ErrorType) -> None:
        with self._lock:
            self._cancelled = (reason, fault)
            for stop in self._running.values():
                stop.cancel(reason, fault)


def _cannot_accept(gate: Gate, votes: Votes, still: Sequence[int]) -> bool:
    """Whether the rule won't accept at the end of the wave, at the best."""
    if not is_monotone(gate):
        return False
    places = range(len(votes.clusters) or 1)
    return all(gate(votes.with_answers(still, place))[0] != "accept" for place in places)
