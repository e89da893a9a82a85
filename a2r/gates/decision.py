"""The decision after a wave, and whether it is certain before the end of the wave."""

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
    """The stages that may follow a wave.

    Attributes:
        left: the sizes of the remaining waves.
        later: the number of samples in the waves of another role after those.
        replaced: whether the votes of the waves to come replace the votes so far.
        by_index: whether a tie always goes to the answer of the lowest sample index.
        synthesis: whether a synthesis can follow.
        lossless: whether sampling stops as soon as the vote is certain.
        merge_waves: whether a wave starts together with the next one where the rule cannot accept
            between them.
    """

    left: Sequence[int] = ()
    later: int = 0
    replaced: bool = False
    by_index: bool = True
    synthesis: bool = True
    lossless: bool = True
    merge_waves: bool = False


def is_monotone(gate: Gate) -> TypeGuard[Agreement]:
    """Whether the rule is an `Agreement` that declares itself monotone."""
    return isinstance(gate, Agreement) and gate.monotone


def evaluate_rule(gate: Gate, votes: Votes, rule: str) -> tuple[Decision, str]:
    """The decision of a rule and its reason; `rule` names it in error messages.

    Raises:
        ConfigError: a custom rule failed, or did not return a decision and a reason.
    """
    if isinstance(gate, Agreement) and gate.monotone:
        return gate(votes)
    try:
        returned: object = gate(votes)
    except Exception as error:
        raise ConfigError(f"{rule} failed: {type(error).__name__}: {error}") from error
    match returned:
        case (("accept" | "sample_more" | "synthesize") as decision, str() as reason):
            return decision, reason
    raise ConfigError(
        f"{rule} returned {returned!r:.100}: return a decision ('accept', 'sample_more' or "
        "'synthesize') and a reason"
    )


def decide(gate: Gate, rule: str, votes: Votes, plan: Plan) -> GateReport:
    """The decision after a wave.

    The rule is not evaluated without an answer: then finished texts are synthesized, and without
    a finished text there is no answer. A single sample is accepted without a rule.

    Raises:
        ConfigError: a custom rule failed, or did not return a decision and a reason.
    """
    decision, reason = _decision(gate, f"gate.rule {rule!r}", votes, plan)
    if decision == "synthesize" and not plan.synthesis:
        decision, reason = "accept", f"{reason}; no synthesis follows, the majority is accepted"
    size = _next_size(gate, votes, plan) if decision == "sample_more" else None
    return GateReport(rule=rule, decision=decision, reason=reason, next=size)


def is_settled(gate: Gate, votes: Votes, running: Sequence[int], plan: Plan) -> bool:
    """Whether the running samples cannot change the decision or the accepted answer.

    Either the rule accepts the top answer however they end, or only a vote follows and even the
    samples of all waves cannot overtake the top answer. `running` are their indices.
    """
    if not votes.clusters or any(group.undecided for group in votes.clusters):
        return False
    votes_only = (gate is never or not plan.synthesis) and not plan.replaced
    coming = _next_indices(votes, [*plan.left, plan.later])
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
        return "accept", "a single sample: nothing to compare"
    if votes.answered and not votes.clusters and plan.left:
        return "sample_more", f"no cluster among the {votes.answered} answered samples"
    if votes.answered == 0 or not votes.clusters:
        decision: Decision = "accept" if gate is never else "synthesize"
        return decision, f"no answers to compare in {votes.finished} finished texts"
    decision, reason = evaluate_rule(gate, votes, name)
    if decision != "sample_more":
        return decision, reason
    if not plan.left:
        return "synthesize", reason
    if plan.lossless and is_settled(gate, votes, [], plan):
        count = sum(plan.left) + plan.later
        return "accept", f"top answer cannot be overtaken by the remaining {count} samples"
    return decision, reason


def _next_size(gate: Gate, votes: Votes, plan: Plan) -> int:
    """The size of the next wave, with the waves after it that cannot end the sampling."""
    size = plan.left[0]
    if not (plan.merge_waves and plan.synthesis):
        return size
    for following in plan.left[1:]:
        if _can_accept(gate, votes, _next_indices(votes, [size])):
            break
        size += following
    return size


def _can_accept(gate: Gate, votes: Votes, coming: Sequence[int]) -> bool:
    """Whether the rule could accept after the coming samples; true for a custom rule."""
    if votes.kind == "text" and votes.finished and not votes.answered:
        # An open question: there are no answers to agree on in these texts or in later ones.
        return False
    if is_monotone(gate):
        return gate.can_accept(votes, coming)
    return gate is not always


def _next_indices(votes: Votes, sizes: Sequence[int]) -> list[int]:
    """The indices of the samples of the next waves."""
    indices = (index for group in votes.clusters for index in group.samples)
    start = max([votes.started, *(index + 1 for index in indices)])
    return list(range(start, start + sum(sizes)))


def _leads(votes: Votes, pending: Sequence[int], *, by_index: bool) -> bool:
    """Whether the top answer stays ahead if all pending samples join any other answer."""
    top, *others = votes.clusters
    rivals = [(group.votes, group.samples[0]) for group in others]
    if pending:
        rivals.append((0, min(pending)))
    for rival_votes, first_index in rivals:
        lowest_index = min([first_index, *pending])
        lead = top.votes - rival_votes - len(pending)
        is_tied = lead == 0 and bool(pending)
        if lead < 0 or (is_tied and (not by_index or lowest_index < top.samples[0])):
            return False
    return True
