"""From a gate's rule to what happens: the next wave, synthesis, or the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard

from a2r.errors import ConfigError
from a2r.gates.rules import Agreement, always, never
from a2r.gates.votes import Gate, Votes
from a2r.result import Decision, GateReport


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What may follow: the sizes of the waves that are left, and whether synthesis may.

    `later` counts the samples of another role's waves after those; `replaced` says that the votes
    of the waves to come will count instead of those so far; `by_index` that ties go to the lowest
    index, whoever comes. `lossless` lets a vote end as soon as
    it is certain; `join` joins waves with the next one at whose end the rule could not accept.
    """

    left: Sequence[int] = ()
    later: int = 0
    replaced: bool = False
    by_index: bool = True
    synthesis: bool = True
    lossless: bool = True
    merge_waves: bool = False


def is_monotone(gate: Gate) -> TypeGuard[Agreement]:
    """Whether a rule says of itself that votes speak for it in one direction alone."""
    return isinstance(gate, Agreement) and gate.monotone


def evaluate_rule(gate: Gate, votes: Votes, rule: str) -> tuple[Decision, str]:
    """What a rule says of votes; `rule` is its name, for messages.

    Raises:
        ConfigError: a rule of the user's failed, or did not return a decision and a reason.
    """
    if isinstance(gate, Agreement) and gate.monotone:
        return gate(votes)
    try:
        found: object = gate(votes)
    except Exception as error:
        raise ConfigError(f"{rule} failed: {type(error).__name__}: {error}") from error
    match found:
        case (("accept" | "sample_more" | "synthesize") as decision, str() as reason):
            return decision, reason
    raise ConfigError(
        f"{rule} returned {found!r:.100}: a pair of 'accept', 'sample_more' or 'synthesize' and a "
        "reason is needed"
    )


def decide(gate: Gate, rule: str, votes: Votes, plan: Plan) -> GateReport:
    """What happens after a wave, by the config's rule.

    Without any answer no rule is asked: finished texts are synthesized from, and where nothing
    finished there is nothing to go on with. A single sample is accepted without a gate.
    """
    decision, reason = _decision(gate, f"gate.rule {rule!r}", votes, plan)
    if decision == "synthesize" and not plan.synthesis:
        decision, reason = "accept", f"{reason}; no synthesis follows, the vote decides"
    size = _next_size(gate, votes, plan) if decision == "sample_more" else None
    return GateReport(rule=rule, decision=decision, reason=reason, next=size)


def is_settled(gate: Gate, votes: Votes, running: Sequence[int], plan: Plan) -> bool:
    """Whether no end of the samples that still run can change decision or accepted answer.

    Either the rule is sure to accept the answer that leads now, or nothing but the vote follows,
    and the leading answer can't be overtaken even by all samples of all waves.
    """
    if not votes.clusters or any(group.undecided for group in votes.clusters):
        return False
    votes_only = (gate is never or not plan.synthesis) and not plan.replaced
    coming = _possible_outcomes(votes, [*plan.left, plan.later])
    if votes_only and _leads(votes, [*running, *coming], by_index=plan.by_index):
        return True
    certain = is_monotone(gate) and gate.is_decided(votes, running)
    return certain and _leads(votes, running, by_index=plan.by_index)


def _decision(gate: Gate, name: str, votes: Votes, plan: Plan) -> tuple[Decision, str]:
    if votes.answered == 0 and plan.left:
        return "sample_more", "no sample has answered yet"
    if votes.finished == 0:
        return "no_answer", f"none of {votes.started} samples finished"
    if votes.all_samples == 1 and not plan.left:
        return "accept", "a single sample: there is nothing to compare"
    if votes.answered and not votes.clusters and plan.left:
        return "sample_more", f"no answer is left of the {votes.answered} samples that answered"
    if votes.answered == 0 or not votes.clusters:
        decision: Decision = "accept" if gate is never else "synthesize"
        return decision, f"nothing to vote on in {votes.finished} finished texts"
    decision, reason = evaluate_rule(gate, votes, name)
    if decision != "sample_more":
        return decision, reason
    if not plan.left:
        return "synthesize", reason
    if plan.lossless and is_settled(gate, votes, [], plan):
        left = sum(plan.left) + plan.later
        return "accept", f"{votes.top} votes can't be overtaken by the {left} samples that are left"
    return decision, reason


def _next_size(gate: Gate, votes: Votes, plan: Plan) -> int:
    """The size of the next wave, joined with those after it that could not end the sampling."""
    size = plan.left[0]
    if not (plan.merge_waves and plan.synthesis):
        return size
    for more in plan.left[1:]:
        if _can_accept(gate, votes, _possible_outcomes(votes, [size])):
            break
        size += more
    return size


def _can_accept(gate: Gate, votes: Votes, coming: Sequence[int]) -> bool:
    """Whether a rule could accept after these samples; of a rule of the user's, nobody knows."""
    if votes.kind == "text" and votes.finished and not votes.answered:
        # An open question: its texts hold nothing to agree on, and neither will the next ones.
        return False
    if is_monotone(gate):
        return gate.can_accept(votes, coming)
    return gate is not always


def _possible_outcomes(votes: Votes, sizes: Sequence[int]) -> list[int]:
    """The indices of the samples of the next waves."""
    seen = (index for group in votes.clusters for index in group.samples)
    start = max([votes.started, *(index + 1 for index in seen)])
    return list(range(start, start + sum(sizes)))


def _leads(votes: Votes, open_: Sequence[int], *, by_index: bool) -> bool:
    """Whether the leading answer stays ahead if all open samples join any one other answer."""
    top, *others = votes.clusters
    rivals = [(group.votes, group.samples[0]) for group in others]
    if open_:
        rivals.append((0, min(open_)))
    for rival, first in rivals:
        earliest = min([first, *open_])
        ahead = top.votes - rival - len(open_)
        level = ahead == 0 and bool(open_)
        if ahead < 0 or (level and (not by_index or earliest < top.samples[0])):
            return False
    return True
