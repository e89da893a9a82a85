"""The flows over the recorded local pair, as a table: `python -m benchmarks.local_pair.report`."""

from __future__ import annotations

import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from a2r import answers
from a2r.answers import Settings
from benchmarks.local_pair.data import read
from benchmarks.local_pair.flows import (
    Flow,
    Outcome,
    Question,
    Try,
    alone,
    cascade,
    single,
    vote,
    waves,
)
from benchmarks.local_pair.record import SYNTHESES, samples_of
from benchmarks.local_pair.variants import (
    BIG,
    BIG_ALONE,
    BIG_SAMPLES,
    SMALL,
    SMALL_SAMPLES,
    VARIANTS,
)

BASELINE = "1.5B, vote of four"
RESAMPLES = 2000
UNITS = Settings(units="shared")


def flows() -> dict[str, Flow]:
    """Every flow by its name in the table; those whose syntheses were recorded."""
    made = {row["variant"] for row in read(SYNTHESES)}
    found: dict[str, Flow] = {
        "0.5B alone": single(SMALL),
        "0.5B, vote of four": vote(SMALL),
        "1.5B alone, temperature 0.8": single(BIG),
        "1.5B alone, temperature 0.2": alone,
        BASELINE: vote(BIG),
        "1.5B, waves 2, 2 until unanimous, vote": waves(BIG, [2, 2], agreeing=False),
        "1.5B, waves 2, 1, 1 until two agree, vote": waves(BIG, [2, 1, 1], agreeing=True),
        "cascade: 2 x 0.5B, then 1.5B until two agree, vote": cascade(2, accept=False),
        "cascade: the same, two agreeing 0.5B accepted": cascade(2, accept=True),
    }
    for name, variant in VARIANTS.items():
        if name not in made:
            continue
        if variant.big == 0:
            found[f"4 x 0.5B until unanimous, {name}"] = waves(
                SMALL, [4], agreeing=False, then=name
            )
        elif variant.small == 0:
            found[f"1.5B, 2, 2 until unanimous, {name}"] = waves(
                BIG, [2, 2], agreeing=False, then=name
            )
            found[f"1.5B, 2, 1, 1 until two agree, {name}"] = waves(
                BIG, [2, 1, 1], agreeing=True, then=name
            )
        else:
            found[f"cascade until two agree, {name}"] = cascade(2, accept=False, then=name)
    return found


@dataclass(frozen=True, kw_only=True)
class Row:
    """A flow's figures: shares, means a question, and the paired difference to the baseline."""

    name: str
    accuracy: float
    interval: tuple[float, float]
    difference: float
    difference_interval: tuple[float, float]
    tokens: float
    cost: float
    synthesized: float


def rows() -> list[Row]:
    """The figures of every flow; `cost` is FLOP-weighted, the baseline's being 1."""
    questions = load()
    outcomes = {name: [flow(one) for one in questions] for name, flow in flows().items()}
    base = outcomes[BASELINE]
    return [_row(name, found, base) for name, found in outcomes.items()]


def load() -> list[Question]:
    """The recorded questions, their answers clustered and graded together."""
    small = {row["id"]: row for row in read(SMALL_SAMPLES.name)}
    greedy = {row["id"]: row for row in read(BIG_ALONE.name)}
    made: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in read(SYNTHESES):
        made.setdefault(row["id"], {})[row["variant"]] = row
    return [
        _question(small[row["id"]], row, greedy[row["id"]], made.get(row["id"], {}))
        for row in read(BIG_SAMPLES.name)
    ]


def _question(
    small: Mapping[str, Any],
    big: Mapping[str, Any],
    greedy: Mapping[str, Any],
    made: Mapping[str, Mapping[str, Any]],
) -> Question:
    problem = big["problem"]
    parts = [*small["samples"], *big["samples"], greedy["samples"][0]]
    found = [_answer(part, problem) for part in parts]
    for name, row in made.items():
        found.append(
            _judged(row, samples_of(small, big, VARIANTS[name]))
            if VARIANTS[name].selects
            else _answer(row, problem)
        )
    clusters = answers.cluster(found, "math", UNITS)
    place = {index: n for n, group in enumerate(clusters) for index in group.samples}
    models = [SMALL] * 4 + [BIG] * (5 + len(made))
    tries = [
        Try(answer=place.get(n), tokens=part["tokens"] + part["prompt_tokens"], model=model)
        for n, (part, model) in enumerate(zip([*parts, *made.values()], models, strict=True))
    ]
    return Question(
        right=[answers.grade(group.answer, big["gold"], "math") for group in clusters],
        small=tries[:4],
        big=tries[4:8],
        alone=tries[8],
        syntheses=dict(zip(made, tries[9:], strict=True)),
    )


def _answer(part: Mapping[str, Any], problem: str) -> str | None:
    if part["finish_reason"] != "stop":
        return None
    found = answers.extract(part["text"], "math", problem)
    return found.text if found else None


def _judged(row: Mapping[str, Any], samples: Sequence[Any]) -> str | None:
    from a2r.nodes.select import judged
    from a2r.references import Reference

    shown = [Reference(text="", attempt=n, answer=samples[n].answer) for n in row["references"]]
    choice = judged(row["text"], shown)
    return choice.answer if choice else None


def _row(name: str, found: Sequence[Outcome], base: Sequence[Outcome]) -> Row:
    own = [outcome.right for outcome in found]
    ahead = [a.right - b.right for a, b in zip(found, base, strict=True)]
    return Row(
        name=name,
        accuracy=statistics.fmean(own),
        interval=bootstrap(own),
        difference=statistics.fmean(ahead),
        difference_interval=bootstrap(ahead),
        tokens=statistics.fmean(outcome.tokens for outcome in found),
        cost=_flops(found) / _flops(base),
        synthesized=statistics.fmean(outcome.synthesized for outcome in found),
    )


def _flops(outcomes: Sequence[Outcome]) -> float:
    return statistics.fmean(outcome.flops for outcome in outcomes)


def bootstrap(values: Sequence[float]) -> tuple[float, float]:
    """The 95% percentile interval of the mean, questions resampled with a fixed seed."""
    source = random.Random(0)
    means = sorted(
        statistics.fmean(source.choices(values, k=len(values))) for _ in range(RESAMPLES)
    )
    return means[int(0.025 * RESAMPLES)], means[int(0.975 * RESAMPLES) - 1]


def table(found: Sequence[Row]) -> str:
    """The rows as Markdown."""
    columns = ("flow", "accuracy", "95%", "to the vote", "95%", "tokens", "cost", "synthesized")
    lines = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    for row in found:
        low, high = row.interval
        below, above = row.difference_interval
        lines.append(
            f"| {row.name} | {row.accuracy:.3f} | {low:.2f} to {high:.2f} | {row.difference:+.3f} "
            f"| {below:+.2f} to {above:+.2f} | {row.tokens:.0f} | {row.cost:.2f} "
            f"| {row.synthesized:.2f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(rows()))
