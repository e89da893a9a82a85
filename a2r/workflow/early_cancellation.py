"""A wave in progress: which of its samples still run, and which can be cancelled early."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from a2r.answers import Kind, Settings
from a2r.answers.sandbox.threads import run_in_thread
from a2r.config.limits import StopConfig
from a2r.gates import Gate, Plan, Votes, is_settled
from a2r.gates.decision import is_monotone
from a2r.gates.rules import Unanimous, never
from a2r.gates.votes import count_votes
from a2r.inference.cancel_token import CancelToken
from a2r.result import Cluster, ErrorType, Sample
from a2r.workflow.voting import cluster_answers_sync, extract_answer, is_cheap


@dataclass(frozen=True, kw_only=True)
class WaveContext:
    """What decides about a wave before its end.

    `kind` is `None` while the answer kind is uncertain; `total` is the number of samples of all
    waves of the plan, `left` that of the waves to come.
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
        """Whether a wave could ever be decided before its end."""
        if not self.stop.lossless or self.kind is None:
            return False
        if self.gate is never or not self.plan.synthesis:
            return True
        return is_monotone(self.gate) and not isinstance(self.gate, Unanimous)


@dataclass(eq=False, kw_only=True)
class _RunningSample:
    """A running sample, with the event loop that it runs in and its timer as a straggler there.

    The samples of a wave may run in several loops, each of which ends with its samples.
    """

    loop: asyncio.AbstractEventLoop
    token: CancelToken = field(default_factory=CancelToken)
    timer: asyncio.TimerHandle | None = None


@dataclass(frozen=True, kw_only=True)
class _StragglersEnd:
    """When the samples that still run are cancelled as stragglers, and the reason."""

    at: float
    reason: str


@dataclass
class WaveMonitor:
    """Tracks the samples of one wave in this process; safe across threads and event loops.

    A sample that finished in an earlier process is unknown here and counts as running.
    """

    context: WaveContext
    earlier: Sequence[Sample]
    indices: Sequence[int]
    started: float = field(default_factory=time.monotonic)
    _running: dict[int, _RunningSample] = field(default_factory=dict)
    _finished: dict[int, Sample] = field(default_factory=dict)
    _answers: dict[int, Sample] = field(default_factory=dict)
    _cancelled: tuple[str, ErrorType] | None = None
    _stragglers_end: _StragglersEnd | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @contextmanager
    def track(self, index: int) -> Iterator[CancelToken]:
        """Track the sample at an index while it runs; its token cancels it."""
        sample = _RunningSample(loop=asyncio.get_running_loop())
        with self._lock:
            self._running[index] = sample
            if self._cancelled:
                sample.token.cancel(*self._cancelled)
        self._start_timer(sample)
        try:
            yield sample.token
        finally:
            with self._lock:
                del self._running[index]
                if sample.timer is not None:
                    sample.timer.cancel()

    async def finish(self, sample: Sample) -> None:
        """Record a finished sample, and cancel those that cannot change the outcome any more."""
        with self._lock:
            self._finished[sample.index] = sample
            finished = list(self._finished.values())
            running = [index for index in self.indices if index not in self._finished]
            is_cancelled = self._cancelled is not None
        if is_cancelled or not running:
            return
        if self.context.can_settle or self.context.stop.straggler == "decided":
            await self._evaluate(finished, running)
        if self.context.stop.straggler == "slow":
            self._arm(finished)

    @property
    def is_complete(self) -> bool:
        """Whether all samples of the wave have ended."""
        return len(self._finished) == len(self.indices)

    def answers(self, kind: Kind) -> dict[int, Sample]:
        """The samples whose answers of a kind are extracted already, by index."""
        return dict(self._answers) if kind == self.context.kind else {}

    async def _evaluate(self, finished: Sequence[Sample], running: Sequence[int]) -> None:
        if self.context.kind is None or not any(sample.finished for sample in finished):
            return
        cancels_hopeless = self.context.stop.straggler == "decided"
        agreeing = sum(sample.finished for sample in [*self.earlier, *finished])
        if not cancels_hopeless and agreeing < len(running):
            # The running samples could outvote all others.
            return
        at_best = self._in_agreement(finished, len(running))
        if not cancels_hopeless and not self._is_settled(at_best, running):
            return
        outcomes = await self._outcomes_off_loop(finished, len(running))
        if self.context.can_settle and all(self._is_settled(votes, running) for votes in outcomes):
            if len({votes.clusters[0].samples[0] for votes in outcomes}) == 1:
                self._cancel_rest("cancelled: the outcome can no longer change", "stopped")
        elif cancels_hopeless and _cannot_accept(self.context.gate, outcomes[0], running):
            self._cancel_rest("straggler cancelled: gate can no longer accept", "straggler")

    async def _outcomes_off_loop(self, finished: Sequence[Sample], running: int) -> list[Votes]:
        """As `_outcomes`, in a thread where it takes time."""
        texts = (self.context.question, *(sample.text for sample in finished))
        if is_cheap(texts, self.context.settings):
            answers = {sample.answer for sample in [*self.earlier, *map(self._extract, finished)]}
            if len(answers - {None}) == 1:
                return self._outcomes(finished, running)
        return await run_in_thread(self._outcomes, finished, running)

    def _is_settled(self, votes: Votes, running: Sequence[int]) -> bool:
        return is_settled(self.context.gate, votes, running, self.context.plan)

    def _in_agreement(self, finished: Sequence[Sample], running: int) -> Votes:
        """The votes at their best, as if all finished samples agreed; no answer is extracted."""
        voting = [*self.earlier, *finished]
        agreeing = [sample.index for sample in voting if sample.finished]
        votes = self._with_votes(voting, [], running)
        return replace(votes, answered=0, finished=0, guessed=0).with_answers(agreeing, 0)

    def _comparisons(self, samples: Sequence[Sample]) -> list[Settings]:
        """The settings with which the answers of the complete wave may be compared.

        A unit that all answers share so far counts, once an answer with another unit comes; and a
        pair that is an interval so far may be a point.
        """
        settings = self.context.settings
        readings = [settings]
        if settings.units != "strict":
            readings.append(replace(settings, units="strict"))
        if settings.pairs == "auto" and any("(" in (sample.answer or "") for sample in samples):
            readings += [replace(reading, pairs="point") for reading in readings]
        return readings

    def _outcomes(self, finished: Sequence[Sample], running: int) -> list[Votes]:
        """The votes so far, for each way in which the answers may be compared."""
        voting = [*self.earlier, *map(self._extract, finished)]
        return [self._votes(voting, running, settings) for settings in self._comparisons(voting)]

    def _extract(self, sample: Sample) -> Sample:
        """The sample with its answer, extracted once."""
        if sample.index not in self._answers:
            self._answers[sample.index] = extract_answer(
                sample, self.context.kind or "auto", self.context.question, self.context.settings
            )
        return self._answers[sample.index]

    def _votes(self, samples: Sequence[Sample], running: int, settings: Settings) -> Votes:
        clusters = cluster_answers_sync(
            samples, self.context.kind or "auto", settings, self.context.question
        )
        return self._with_votes(samples, clusters, running)

    def _with_votes(
        self, samples: Sequence[Sample], clusters: Sequence[Cluster], running: int
    ) -> Votes:
        votes = count_votes(
            samples,
            clusters,
            self.context.kind or "auto",
            total=self.context.total,
            left=self.context.left,
            guesses_agree=self.context.guesses_agree,
        )
        return replace(votes, started=votes.started + running)

    def _arm(self, finished: Sequence[Sample]) -> None:
        """Start the timers for stragglers, once enough samples of the wave have finished."""
        enough = math.ceil(self.context.stop.share * len(self.indices))
        with self._lock:
            if self._stragglers_end is not None or len(finished) < enough:
                return
            seconds = (time.monotonic() - self.started) * (self.context.stop.factor - 1)
            reason = (
                f"straggler cancelled: {len(finished)} of {len(self.indices)} finished much sooner"
            )
            self._stragglers_end = _StragglersEnd(at=time.monotonic() + seconds, reason=reason)
            for sample in self._running.values():
                sample.loop.call_soon_threadsafe(self._start_timer, sample)

    def _start_timer(self, sample: _RunningSample) -> None:
        """Start the timer of a sample in its event loop, which ends with it at the latest."""
        with self._lock:
            end = self._stragglers_end
            if end is None or sample.timer is not None or sample not in self._running.values():
                return
            left = max(0.0, end.at - time.monotonic())
            sample.timer = sample.loop.call_later(left, self._cancel_rest, end.reason, "straggler")

    def _cancel_rest(self, reason: str, error_type: ErrorType) -> None:
        with self._lock:
            self._cancelled = (reason, error_type)
            for sample in self._running.values():
                sample.token.cancel(reason, error_type)


def _cannot_accept(gate: Gate, votes: Votes, running: Sequence[int]) -> bool:
    """Whether the rule cannot accept at the end of the wave, even in the best case."""
    if not is_monotone(gate):
        return False
    clusters = range(len(votes.clusters) or 1)
    return all(gate(votes.with_answers(running, number))[0] != "accept" for number in clusters)
