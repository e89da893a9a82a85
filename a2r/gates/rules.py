"""Rules that accept an answer on which enough samples agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from a2r._internal.sequential_tests import beta_confidence, sprt_boundary, sprt_log_likelihood_ratio
from a2r.config.gate import Effect, MinVotesConfig
from a2r.gates.votes import Votes, exact_fraction
from a2r.result import Decision


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """What all rules of agreement share: the quorum, the least votes, and what blocks.

    A rule says in `agrees` whether the votes are enough, and why. `monotone` says that more votes
    for the top answer never speak against it, and more votes for others, or more other answers,
    never for it: only such a rule is asked before a wave has ended.
    """

    monotone: ClassVar[bool] = False
    quorum: float = 0.5
    min_votes: MinVotesConfig = field(default_factory=MinVotesConfig)
    abstentions: Effect = "pass"
    truncations: Effect = "pass"

    def __call__(self, votes: Votes) -> tuple[Decision, str]:
        """Accept, or ask for more samples."""
        missing = self._unanswered(votes)
        if missing is not None:
            return "sample_more", missing
        enough, reason = self.is_satisfied(votes)
        needed = min(self.min_votes.for_kind(votes.kind), votes.all_samples)
        if enough and self.votes_needed(votes) < needed:
            return "sample_more", f"{reason}; of kind {votes.kind}, {needed} have to"
        return ("accept" if enough else "sample_more"), reason

    def is_satisfied(self, votes: Votes) -> tuple[bool, str]:
        """Whether the votes are enough for this rule."""
        raise NotImplementedError

    def votes_needed(self, votes: Votes) -> int:
        """The votes that have to reach the least for the answers' kind."""
        return votes.top

    def is_decided(self, votes: Votes, running: Sequence[int]) -> bool:
        """Whether the rule accepts however the samples that still run end.

        More votes for the runner-up, and fewer answers, only ever speak against acceptance: if
        the extreme ends accept, so does everything between them.
        """
        ends = (
            votes.with_answers(running, 1),
            votes.with_unanswered(len(running), "abstained"),
            votes.with_unanswered(len(running), "truncated"),
        )
        return all(self(end)[0] == "accept" for end in ends)

    def can_accept(self, votes: Votes, coming: Sequence[int]) -> bool:
        """Whether the rule could accept once these samples have ended, at the best."""
        after = votes.with_started(len(coming))
        places = range(len(votes.clusters) or 1)
        return any(self(after.with_answers(coming, place))[0] == "accept" for place in places)

    def _unanswered(self, votes: Votes) -> str | None:
        """Why there can be no agreement, whatever the rule; `None` if there can."""
        quorum, sure = votes.quorum(self.quorum), votes.answered - votes.guessed
        if sure < quorum:
            guesses = f", {votes.guessed} more by a guess" if votes.guessed else ""
            return f"{sure} of {votes.started} answered{guesses}, the quorum is {quorum}"
        if votes.abstained and self.abstentions == "block":
            return f"{votes.abstained} of {votes.started} abstained, which blocks"
        if votes.truncated and self.truncations == "block":
            return f"{votes.truncated} of {votes.started} were truncated, which blocks"
        return None


class Unanimous(Agreement):
    """All answered samples agree: the plainest rule, and the default.

    Source: the degenerate case of Early-Stopping Self-Consistency (Li et al., arXiv 2401.10480),
    whose window is all samples so far.
    """

    monotone: ClassVar[bool] = True

    def is_satisfied(self, votes: Votes) -> tuple[bool, str]:
        """Whether there is one answer."""
        if len(votes.clusters) == 1:
            return True, f"all {votes.answered} answered samples agree"
        return False, (
            f"{len(votes.clusters)} different answers, the top one has {votes.top} of "
            f"{votes.answered} votes"
        )

    def votes_needed(self, votes: Votes) -> int:
        """All that answered: a graph may let only some of the clusters through to the gate."""
        return votes.answered


@dataclass(frozen=True, kw_only=True)
class Share(Agreement):
    """The top answer's share of the votes reaches a threshold.

    Source: the consistency score of self-consistency (Wang et al., arXiv 2203.11171, section
    3.4), which goes along with accuracy.
    """

    monotone: ClassVar[bool] = True
    threshold: float

    def is_satisfied(self, votes: Votes) -> tuple[bool, str]:
        """Whether the share is reached."""
        told = f"{votes.top} of {votes.answered} votes for the top answer"
        return votes.top >= exact_fraction(self.threshold) * votes.answered, (
            f"{told}, {self.threshold:g} of them are asked for"
        )


@dataclass(frozen=True, kw_only=True)
class Beta(Agreement):
    """The top answer is likelier than the runner-up with a posterior probability of `threshold`.

    Source: Adaptive-Consistency (Aggarwal et al., arXiv 2305.11860), the Beta criterion.
    """

    monotone: ClassVar[bool] = True
    threshold: float

    def is_satisfied(self, votes: Votes) -> tuple[bool, str]:
        """Whether the posterior reaches the threshold."""
        confidence = beta_confidence(votes.top, votes.second)
        return confidence >= self.threshold, (
            f"{votes.top} votes to {votes.second}: the posterior is {confidence:.3f}, "
            f"{self.threshold:g} is asked for"
        )


@dataclass(frozen=True, kw_only=True)
class Sprt(Agreement):
    """Wald's sequential test between the top answer and the runner-up accepts.

    Source: ConSol (Lee et al., arXiv 2503.17587), whose settings are the defaults.
    """

    monotone: ClassVar[bool] = True
    p1: float
    alpha: float
    beta: float

    def is_satisfied(self, votes: Votes) -> tuple[bool, str]:
        """Whether the evidence reaches the boundary."""
        evidence = sprt_log_likelihood_ratio(votes.top, votes.second, self.p1)
        boundary = sprt_boundary(self.alpha, self.beta)
        return evidence >= boundary, (
            f"{votes.top} votes to {votes.second}: evidence {evidence:.3g}, {boundary:.3g} is "
            "asked for"
        )


@dataclass(frozen=True, kw_only=True)
class Window(Agreement):
    """The last answers in sample order, `window` of them, are the same; the vote decides.

    Source: Early-Stopping Self-Consistency (Li et al., arXiv 2401.10480), whose windows are the
    waves.
    """

    monotone: ClassVar[bool] = True
    window: int

    def is_satisfied(self, votes: Votes) -> tuple[bool, str]:
        """Whether the window holds one answer."""
        last = votes.in_order()[-self.window :]
        if len(last) < self.window:
            return False, f"{len(last)} answers, the window is {self.window}"
        different = len(set(last))
        told = "the same" if different == 1 else f"{different} different ones"
        return different == 1, f"the last {self.window} answers are {told}"

    def is_decided(self, votes: Votes, running: Sequence[int]) -> bool:
        """As in `Agreement`; the samples of the window must have ended, and all after them."""
        if not running:
            return self(votes)[0] == "accept"
        answered = sorted(index for group in votes.clusters for index in group.samples)
        if len(answered) < self.window or max(running) > answered[-self.window]:
            return False
        return super().is_decided(votes, running)


def always(votes: Votes) -> tuple[Decision, str]:
    """Synthesize after the last wave, as the paper does (A2R, arXiv 2509.22044)."""
    return "sample_more", "the rule always synthesizes"


def never(votes: Votes) -> tuple[Decision, str]:
    """Take the vote after the last wave: self-consistency (Wang et al., arXiv 2203.11171)."""
    if votes.left:
        return "sample_more", "the rule uses every wave"
    return "accept", f"the top answer has {votes.top} of {votes.answered} votes"
