"""What was spent, and what the flow that never stops early would have spent: an estimate."""

from __future__ import annotations

from collections.abc import Sequence

from a2r.config import Config
from a2r.models.accounting import cost_of
from a2r.result import Attempt, Cost, Sample, Savings, Synthesis
from a2r.state import Task
from a2r.usage import Number, Usage, UsageByRole, total


def usage_by_role(samples: Sequence[Sample], attempts: Sequence[Synthesis]) -> UsageByRole:
    """The usage of a question: a sample counts for the role whose model drew it."""
    explorer = total(s.usage for s in samples if s.role == "explorer")
    own = total(s.usage for s in samples if s.role == "synthesizer")
    synthesizer = own + total(attempt.usage for attempt in attempts)
    return UsageByRole(explorer=explorer, synthesizer=synthesizer, total=explorer + synthesizer)


def savings(
    samples: Sequence[Sample], attempts: Sequence[Synthesis], config: Config, task: Task
) -> Savings | None:
    """What stopping early saved, by the averages of this question; `None` without any average.

    The fixed flow draws all samples of the explorer's waves, and synthesizes once a planned
    synthesis. Its samples cost what the finished ones did on average. A synthesis that was not
    made is taken to read one average solution a sample, and to write one.
    """
    whole = [s for s in samples if s.role == "explorer" and s.finish_reason is not None]
    wanted = sum(config.explorer.wave_sizes)
    prompt, completion = _mean_prompt(whole), _mean_completion(whole)
    if prompt is None or completion is None:
        return None
    syntheses = sum(task["rounds"])
    explored = Usage(
        prompt_tokens=round(wanted * prompt), completion_tokens=round(wanted * completion)
    )
    made = [attempt for attempt in attempts if attempt.finish_reason is not None]
    measured = _mean_prompt(made), _mean_completion(made)
    read = measured[0] if measured[0] is not None else prompt + wanted * completion
    written = measured[1] if measured[1] is not None else completion
    synthesized = Usage(
        prompt_tokens=round(syntheses * read), completion_tokens=round(syntheses * written)
    )
    spent = usage_by_role(samples, attempts).total
    fixed = Cost(
        samples=wanted,
        syntheses=syntheses,
        tokens=_tokens(explored + synthesized),
        cost=_fixed_cost(explored, synthesized, config),
    )
    basis = "the samples and syntheses" if made or not syntheses else "the samples"
    return Savings(
        basis=f"{basis} of this question that came to their end",
        fixed=fixed,
        saved=Cost(
            samples=wanted - len(samples),
            syntheses=syntheses - len(attempts),
            tokens=_less(fixed.tokens, _tokens(spent)),
            cost=_less(fixed.cost, spent.cost),
        ),
    )


def _fixed_cost(explored: Usage, synthesized: Usage, config: Config) -> float | None:
    first = cost_of(explored.prompt_tokens or 0, explored.completion_tokens or 0, config.explorer)
    if config.synthesizer is None:
        return first
    second = cost_of(
        synthesized.prompt_tokens or 0, synthesized.completion_tokens or 0, config.synthesizer
    )
    return None if first is None or second is None else first + second


def _mean_prompt(attempts: Sequence[Attempt]) -> float | None:
    known = [a.usage.prompt_tokens for a in attempts if a.usage.prompt_tokens is not None]
    return sum(known) / len(known) if known else None


def _mean_completion(attempts: Sequence[Attempt]) -> float | None:
    known = [a.usage.completion_tokens for a in attempts if a.usage.completion_tokens is not None]
    return sum(known) / len(known) if known else None


def _tokens(usage: Usage) -> int | None:
    if usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    return usage.prompt_tokens + usage.completion_tokens


def _less(a: Number | None, b: Number | None) -> Number | None:
    return None if a is None or b is None else a - b
