"""Playing one rule on one question: wave by wave, until the gate accepts or gives up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from a2r.config.gate import GateConfig
from a2r.evaluation.replay.recorded_question import RecordedQuestion
from a2r.gates import Gate, Plan, Votes, decide
from a2r.gates.votes import count_votes
from a2r.result import Decision, GateReport


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A gate over waves.

    Attributes:
        config: what the gate was made from.
        gate: the gate.
        waves: the sizes of the waves, in order.
        synthesis: whether synthesis may follow; without it the vote decides.
        lossless: whether a vote ends as soon as it is certain.
        guesses_agree: whether a guessed answer counts towards the quorum.
    """

    config: GateConfig
    gate: Gate
    waves: tuple[int, ...]
    synthesis: bool = True
    lossless: bool = True
    guesses_agree: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a rule did on one question, beside the vote of all its samples.

    `samples` and `tokens` are what it spent, of `all_samples` and `all_tokens`.
    """

    decision: Decision
    right: bool
    all_right: bool
    samples: int
    all_samples: int
    tokens: int
    all_tokens: int
    tokens_estimated: bool


async def simulate(rule: Rule, question: RecordedQuestion) -> Outcome:
    """What the rule does on a question.

    No model writes a synthesis here: where the rule asks for one, the answer is the majority of
    the samples spent.

    Raises:
        ConfigError: a rule of the user's failed.
    """
    waves = _recorded(rule.waves, question.count)
    kind = question.kind(waves[0])
    spent, left = waves[0], tuple(waves[1:])
    while True:
        votes = count_votes(
            question.samples(kind, spent),
            await question.clusters(kind, spent),
            kind,
            total=sum(waves),
            guesses_agree=rule.guesses_agree,
        )
        report = _decided(rule, votes, left)
        if report.decision != "sample_more":
            break
        size = report.next or left[0]
        spent, left = spent + size, _after(left, size)
    return Outcome(
        decision=report.decision,
        right=await question.is_right(kind, spent),
        all_right=await question.is_right(question.kind(question.count), question.count),
        samples=spent,
        all_samples=question.count,
        tokens=question.tokens(spent),
        all_tokens=question.tokens(question.count),
        tokens_estimated=question.tokens_estimated,
    )


def _decided(rule: Rule, votes: Votes, left: Sequence[int]) -> GateReport:
    plan = Plan(
        left=left,
        synthesis=rule.synthesis,
        lossless=rule.lossless,
        merge_waves=rule.config.merge_waves,
    )
    return decide(rule.gate, rule.config.rule, votes, plan)


def _recorded(waves: Sequence[int], count: int) -> list[int]:
    """The waves for which there are samples, the last one cut."""
    kept: list[int] = []
    for size in waves:
        if count > 0:
            kept.append(min(size, count))
        count -= size
    return kept


def _after(left: tuple[int, ...], size: int) -> tuple[int, ...]:
    """The waves left after one of a size, which may be several of the plan in one."""
    while size > 0:
        size, left = size - left[0], left[1:]
    return left
