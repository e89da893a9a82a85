"""Simulation of a rule on a question, wave by wave, until the gate accepts or synthesizes."""

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
    """A gate with wave sizes.

    Attributes:
        config: the config of the gate.
        gate: the gate.
        waves: the wave sizes, in order.
        synthesis: whether the gate may request a synthesis; otherwise the vote decides.
        lossless: whether sampling stops as soon as the vote is decided.
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
    """The outcome of a rule on a question, and of the vote of all its samples.

    The rule used `samples` of `total_samples`, and `tokens` of `total_tokens`.
    """

    decision: Decision
    is_correct: bool
    vote_is_correct: bool
    samples: int
    total_samples: int
    tokens: int
    total_tokens: int
    tokens_estimated: bool


async def simulate(rule: Rule, question: RecordedQuestion) -> Outcome:
    """Return the outcome of a rule on a question.

    No model is called: instead of a synthesis, the majority of the samples used is the answer.

    Raises:
        ConfigError: a custom rule failed.
    """
    waves = _recorded_waves(rule.waves, question.count)
    kind = question.kind(waves[0])
    used, remaining = waves[0], tuple(waves[1:])
    while True:
        votes = count_votes(
            question.samples(kind, used),
            await question.clusters(kind, used),
            kind,
            total=sum(waves),
            guesses_agree=rule.guesses_agree,
        )
        report = _decide(rule, votes, remaining)
        if report.decision != "sample_more":
            break
        size = report.next or remaining[0]
        used, remaining = used + size, _drop_samples(remaining, size)
    return Outcome(
        decision=report.decision,
        is_correct=await question.is_correct(kind, used),
        vote_is_correct=await question.is_correct(question.kind(question.count), question.count),
        samples=used,
        total_samples=question.count,
        tokens=question.tokens(used),
        total_tokens=question.tokens(question.count),
        tokens_estimated=question.tokens_estimated,
    )


def _decide(rule: Rule, votes: Votes, remaining: Sequence[int]) -> GateReport:
    plan = Plan(
        left=remaining,
        synthesis=rule.synthesis,
        lossless=rule.lossless,
        merge_waves=rule.config.merge_waves,
    )
    return decide(rule.gate, rule.config.rule, votes, plan)


def _recorded_waves(waves: Sequence[int], count: int) -> list[int]:
    """Return the waves with recorded samples; the last one may be smaller than planned."""
    recorded: list[int] = []
    for size in waves:
        if count > 0:
            recorded.append(min(size, count))
        count -= size
    return recorded


def _drop_samples(waves: tuple[int, ...], size: int) -> tuple[int, ...]:
    """Return the waves after the next `size` samples, which may merge several waves."""
    while size > 0:
        size, waves = size - waves[0], waves[1:]
    return waves
