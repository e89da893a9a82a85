"""The built-in rules: those that accept an answer by agreement, `always` and `never`."""

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
    """Base of the rules that accept by agreement.

    A subclass implements `is_satisfied`; quorum, minimum votes and blocking are the same for all.

    Attributes:
        monotone: whether more votes for the top answer never make the rule reject it, and more
            votes for other answers never make it accept. Only a monotone rule is evaluated
            before the end of a wave.
        quorum: the share of the started samples that must have answered.
        min_votes: the minimum votes of an accepted answer by kind.
        abstentions: `block` makes a sample that abstained prevent acceptance.
        truncations: `block` makes a truncated sample prevent acceptance.
    """

    monotone: ClassVar[bool] = False
    quorum: float = 0.5
    min_votes: MinVotesConfig = field(default_factory=MinVotesConfig)
    abstentions: Effect = "pass"
    truncations: Effect = "pass"

    def __call__(self, votes: Votes) -> tuple[Decision, str]:
        """Accept, or ask for more samples; with the reason."""
        obstacle = self._obstacle(votes)
        if obstacle is not None:
            return "sample_more", obstacle
        satisfied, reason = self.is_satisfied(votes)
        needed = min(self.min_votes.for_kind(votes.kind), votes.all_samples)
        if satisfied and self.votes_needed(votes) < needed:
            return "sample_more", f"{reason}; kind {votes.kind} requires {needed} votes"
        return ("accept" if satisfied else "sample_more"), reason

    def is_satisfied(self, votes: Votes) -> tuple[bool, str]:
        """Whether the votes satisfy this rule, and the reason."""
        raise NotImplementedError

    def votes_needed(self, votes: Votes) -> int:
        """The votes that must reach the minimum for the kind of the answers."""
        return votes.top

    def is_decided(self, votes: Votes, running: Sequence[int]) -> bool:
        """Whether the rule accepts however the running samples end.

        For a monotone rule, more votes for the runner-up and fewer answers are never reasons to
        accept: if the rule accepts the worst cases, it accepts all others.
        """
        worst_cases = (
            votes.with_answers(running, 1),
            votes.with_unanswered(len(running), "abstained"),
            votes.with_unanswered(len(running), "truncated"),
        )
        return all(self(case)[0] == "accept" for case in worst_cases)

    def can_accept(self, votes: Votes, coming: Sequence[int]) -> bool:
        """Whether the rule accepts in the best case once the coming samples have finished."""
        started = votes.with_started(len(coming))
        clusters = range(len(votes.clusters) or 1)
        return any(self(started.with_answers(coming, n))[0] == "accept" for n in clusters)

    def _obstacle(self, votes: Votes) -> str | None:
        """Why no rule can accept these votes; `None` if it can."""
        quorum, certain = votes.quorum(self.quorum), votes.answered - votes.guessed
        if certain < quorum:
            guesses = f", {votes.guessed} more by a guess" if votes.guessed else ""
            return f"{certain} of {votes.started} answered{guesses}, the quorum is {quorum}"
        if votes.abstained and self.abstentions == "block":
            return f"{votes.abstained} of {votes.started} abstained, which blocks"
        if votes.truncated and self.truncations == "block":
            return f"{votes.truncated} of {votes.started} were truncated, which blocks"
        return None


class Unanimous(Agreement):
    """All answered samples agree; the default rule.

    Source: the degenerate case of Early-Stopping Self-Consistency (Li et al., arXiv 2401.10480),
    with a window of all samples so far.
    """

    monotone: ClassVar[bool] = True

    def is_satisfied(self, votes: Votes) -> tuple[bool, str]:
        """Whether there is one answer."""
        if len(votes.clusters) == 1:
            return True, f"all {votes.answered} answered samples agree"
        return False, (
            f"{len(votes.clusters)} different answers, the top answer has {votes.top} of "
            f"{votes.answered} votes"
        )

    def votes_needed(self, votes: Votes) -> int:
        """All answered samples; a custom graph may pass only some of the clusters to the gate."""
        return votes.answered


@dataclass(frozen=True, kw_only=True)
class Share(Agreement):
    """The top answer's share of the votes reaches a threshold.

    Source: the consistency score of self-consistency (Wang et al., arXiv 2203.11171, section
    3.4), which correlates with accuracy.
    """

    monotone: ClassVar[bool] = True
    threshold: float

    def is_satisfied(self, votes: Votes) -> tuple[bool, str]:
        """Whether the share reaches the threshold."""
        count = f"{votes.top} of {votes.answered} votes for the top answer"
        return votes.top >= exact_fraction(self.threshold) * votes.answered, (
            f"{count}, a share of {self.threshold:g} is required"
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
            f"{self.threshold:g} is required"
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
            "required"
        )


@dataclass(frozen=True, kw_only=True)
class Window(Agreement):
    """The last `window` answers in sample order are the same; the top answer is accepted.

    Source: Early-Stopping Self-Consistency (Li et al., arXiv 2401.10480), where each wave is a
    window.
    """

    monotone: ClassVar[bool] = True
    window: int

    def is_satisfied(self, votes: Votes) -> tuple[bool, str]:
        """Whether all answers of the window are the same."""
        last = votes.in_order()[-self.window :]
        if len(last) < self.window:
            return False, f"{len(last)} answers, the window is {self.window}"
        different = len(set(last))
        if different == 1:
            return True, f"the last {self.window} answers are the same"
        return False, f"the last {self.window} answers include {different} different answers"

    def is_decided(self, votes: Votes, running: Sequence[int]) -> bool:
        """As in `Agreement`; no sample of the window, or after it, may be running."""
        if not running:
            return self(votes)[0] == "accept"
        answered = sorted(index for group in votes.clusters for index in group.samples)
        if len(answered) < self.window or max(running) > answered[-self.window]:
            return False
        return super().is_decided(votes, running)


def always(votes: Votes) -> tuple[Decision, str]:
    """Synthesize after the last wave (A2R, arXiv 2509.22044)."""
    return "sample_more", "the rule always synthesizes"


def never(votes: Votes) -> tuple[Decision, str]:
    """Accept the top answer after the last wave (self-consistency, Wang et al., 2203.11171)."""
    if votes.left:
        return "sample_more", "the rule uses every wave"
    return "accept", f"the top answer has {votes.top} of {votes.answered} votes"
