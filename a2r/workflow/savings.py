"""The usage of a question, and an estimate of what the full plan would have used."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from a2r.config import Config
from a2r.config.synthesis import ReferencesConfig
from a2r.inference.usage_and_cost import request_cost
from a2r.result import ROLES, Attempt, Cost, Role, Sample, Savings, Synthesis
from a2r.usage import Number, Usage, UsageByRole, estimate_tokens, total
from a2r.workflow.state import Task


def usage_by_role(samples: Sequence[Sample], attempts: Sequence[Synthesis]) -> UsageByRole:
    """The usage of a question: a sample counts for the role whose model drew it."""
    explorer = total(s.usage for s in samples if s.role == "explorer")
    drawn = total(s.usage for s in samples if s.role == "synthesizer")
    synthesizer = drawn + total(attempt.usage for attempt in attempts)
    return UsageByRole(explorer=explorer, synthesizer=synthesizer, total=explorer + synthesizer)


def estimate_savings(
    samples: Sequence[Sample], attempts: Sequence[Synthesis], config: Config, task: Task
) -> Savings | None:
    """What stopping early saved, by the averages of this question; `None` without any average.

    The full plan draws all samples of all waves and makes every planned synthesis. A sample costs
    the average of the finished ones of its role, or of the other role where none finished; so
    does a synthesis. Where no synthesis was made, it is taken to read what the config shows of
    the samples, by the average solution or answer, and to write as much as an average sample.
    What failed samples and syntheses did not use is not saved.
    """
    drawn = _average([s for s in samples if s.finish_reason is not None])
    if drawn is None:
        return None
    sizes = {role: sum(w["size"] for w in task["waves"] if w["role"] == role) for role in ROLES}
    averages = {role: _average(_ended(samples, role)) or drawn for role in ROLES}
    parts: dict[Role, Usage] = {role: _times(sizes[role], averages[role]) for role in ROLES}
    wanted = sum(wave["size"] for wave in task["waves"])
    made = [it for it in attempts if it.usage.calls or it.status == "failed"]
    measured = _average([attempt for attempt in made if attempt.finish_reason is not None])
    synthesis = measured or (
        drawn[0] + _shown_samples(samples, wanted, config.references),
        drawn[1],
    )
    syntheses = sum(task["rounds"])
    parts["synthesizer"] += _times(syntheses, synthesis)
    fixed = Cost(
        samples=wanted,
        syntheses=syntheses,
        tokens=_tokens(parts["explorer"] + parts["synthesizer"]),
        cost=_fixed_cost(parts["explorer"], parts["synthesizer"], config),
    )
    spent = usage_by_role(samples, attempts).total
    unsaved = {
        role: _missing([s for s in samples if s.role == role], averages[role]) for role in ROLES
    }
    # A round that was repeated after a failure has its synthesis.
    ended = sum(attempt.status != "failed" for attempt in made)
    lost = [attempt for attempt in made if attempt.status == "failed"]
    unsaved["synthesizer"] += _missing(lost[: max(0, syntheses - ended)], synthesis)
    basis = "the samples and syntheses" if measured or not syntheses else "the samples"
    return Savings(
        basis=f"{basis} of this question that came to their end",
        fixed=fixed,
        saved=Cost(
            samples=wanted - len(samples),
            syntheses=syntheses - len(made),
            tokens=_less(
                _less(fixed.tokens, _tokens(spent)),
                _tokens(unsaved["explorer"] + unsaved["synthesizer"]),
            ),
            cost=_less(
                _less(fixed.cost, spent.cost),
                _fixed_cost(unsaved["explorer"], unsaved["synthesizer"], config),
            ),
        ),
    )


def _ended(samples: Sequence[Sample], role: Role) -> list[Sample]:
    return [s for s in samples if s.role == role and s.finish_reason is not None]


def _missing(attempts: Sequence[Attempt], average: tuple[float, float]) -> Usage:
    """What the failed attempts used less than an average one: that is not saved."""
    failed = [attempt.usage for attempt in attempts if attempt.status == "failed"]
    prompt, completion = average
    return Usage(
        prompt_tokens=sum(max(0, round(prompt) - (usage.prompt_tokens or 0)) for usage in failed),
        completion_tokens=sum(
            max(0, round(completion) - (usage.completion_tokens or 0)) for usage in failed
        ),
    )


def _shown_samples(samples: Sequence[Sample], wanted: int, config: ReferencesConfig) -> float:
    """The tokens that a synthesizer would read of so many samples, thinking excluded."""
    finished = [sample for sample in samples if sample.finish_reason is not None]
    lengths = [_shown_text(sample, config) for sample in finished]
    different = len({sample.answer for sample in finished if sample.answer is not None})
    by_cluster = config.include == "clusters" and different > 0
    count = min(wanted, config.per_cluster * different) if by_cluster else wanted
    return count * statistics.fmean(lengths)


def _shown_text(sample: Sample, config: ReferencesConfig) -> int:
    if config.content == "answer" and sample.answer is not None:
        return estimate_tokens(sample.answer)
    written = sample.usage.completion_tokens or 0
    if sample.reasoning_tokens is not None:
        return max(0, written - sample.reasoning_tokens)
    # Thinking that the server does not count is in no text.
    return min(written, estimate_tokens(sample.text)) if sample.text else written


def _average(attempts: Sequence[Attempt]) -> tuple[float, float] | None:
    """The mean prompt and completion tokens of attempts; `None` where they are unknown."""
    usages = [attempt.usage for attempt in attempts]
    prompts = [usage.prompt_tokens for usage in usages if usage.prompt_tokens is not None]
    completions = [u.completion_tokens for u in usages if u.completion_tokens is not None]
    if not prompts or not completions:
        return None
    return statistics.fmean(prompts), statistics.fmean(completions)


def _times(count: int, average: tuple[float, float]) -> Usage:
    prompt, completion = average
    return Usage(prompt_tokens=round(count * prompt), completion_tokens=round(count * completion))


def _fixed_cost(explored: Usage, synthesized: Usage, config: Config) -> float | None:
    first = request_cost(
        explored.prompt_tokens or 0, explored.completion_tokens or 0, config.explorer
    )
    if config.synthesizer is None:
        return first
    second = request_cost(
        synthesized.prompt_tokens or 0, synthesized.completion_tokens or 0, config.synthesizer
    )
    return None if first is None or second is None else first + second


def _tokens(usage: Usage) -> int | None:
    if usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    return usage.prompt_tokens + usage.completion_tokens


def _less(a: Number | None, b: Number | None) -> Number | None:
    return None if a is None or b is None else a - b
