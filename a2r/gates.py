"""The rules by which a gate decides after a wave: small pure functions of the votes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from a2r.config.schema import GateConfig
from a2r.result import Cluster, Decision, GateReport

LEAST_ANSWERED = 2


@dataclass(frozen=True, kw_only=True)
class Votes:
    """What a gate may look at.

    `finished` counts the samples that ended by themselves with a text, answered or abstained;
    `guessed` those of the answered whose answer is but a guess, which makes no agreement;
    `waves_left` the waves that may still be started; `can_synthesize` says whether there is a
    synthesizer at all.
    """

    started: int
    finished: int
    answered: int
    clusters: Sequence[Cluster]
    waves_left: int
    guessed: int = 0
    can_synthesize: bool = True

    def quorum(self, share: float) -> int:
        """How many samples must have answered before there can be agreement."""
        return max(LEAST_ANSWERED, math.ceil(share * self.started))


def decide(config: GateConfig, votes: Votes) -> GateReport:
    """What happens next, by the config's rule.

    Without any answer no rule is asked: finished texts are synthesized from, and where nothing
    finished there is nothing to go on with. A single sample is accepted without a gate.
    """
    if votes.answered == 0 and votes.waves_left:
        decision, reason = _more(votes, "no sample has answered yet")
    elif votes.finished == 0:
        decision, reason = "no_answer", f"none of {votes.started} samples finished"
    elif votes.started == 1 and not votes.waves_left:
        decision, reason = "accept", "a single sample: there is nothing to compare"
    elif votes.answered == 0 or not votes.clusters:
        decision = "accept" if config.rule == "never" else "synthesize"
        reason = f"nothing to vote on in {votes.finished} finished texts"
    else:
        decision, reason = RULES[config.rule](config, votes)
    if decision == "synthesize" and not votes.can_synthesize:
        decision, reason = "accept", f"{reason}; there is no synthesizer, the vote decides"
    return GateReport(rule=config.rule, decision=decision, reason=reason)


def _unanimous(config: GateConfig, votes: Votes) -> tuple[Decision, str]:
    needed = votes.quorum(config.quorum)
    sure = votes.answered - votes.guessed
    if sure < needed:
        guesses = f", {votes.guessed} more by a guess" if votes.guessed else ""
        return _more(votes, f"{sure} of {votes.started} answered{guesses}, the quorum is {needed}")
    if len(votes.clusters) == 1:
        return "accept", f"all {votes.answered} answered samples agree"
    top = votes.clusters[0]
    return _more(
        votes,
        f"{len(votes.clusters)} different answers, the top one has {top.votes} of "
        f"{votes.answered} votes",
    )


def _always(config: GateConfig, votes: Votes) -> tuple[Decision, str]:
    return _more(votes, "the rule always synthesizes")


def _never(config: GateConfig, votes: Votes) -> tuple[Decision, str]:
    if votes.waves_left:
        return _more(votes, "the rule uses every wave")
    top = votes.clusters[0]
    return "accept", f"the top answer has {top.votes} of {votes.answered} votes"


def _more(votes: Votes, reason: str) -> tuple[Decision, str]:
    return ("sample_more" if votes.waves_left else "synthesize"), reason


RULES: Mapping[str, Callable[[GateConfig, Votes], tuple[Decision, str]]] = {
    "unanimous": _unanimous,
    "always": _always,
    "never": _never,
}
