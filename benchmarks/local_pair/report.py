"""A table of the strategies on the recordings: `python -m benchmarks.local_pair.report`."""

from __future__ import annotations

import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from a2r import answers
from a2r.answers import Settings
from a2r.nodes.select import parse_judgment
from a2r.result import Sample
from a2r.workflow.reference import Reference
from benchmarks.local_pair.data_files import read
from benchmarks.local_pair.record import SYNTHESES, parse_samples, source_samples
from benchmarks.local_pair.strategies import (
    Attempt,
    Outcome,
    Question,
    Strategy,
    cascade,
    single,
    vote,
    waves,
)
from benchmarks.local_pair.variants import (
    BIG,
    BIG_COLD,
    BIG_COOL,
    BIG_HOT,
    FOUR_BIG,
    FOUR_SMALL,
    RECORDINGS,
    SMALL,
    SMALL_HOT,
    TWO_BIG,
    VARIANTS,
    Variant,
)

BASELINE = "1.5B at 0.8, vote of four"
RESAMPLES = 2000
ANSWER_SETTINGS = Settings(units="shared")


def strategies() -> dict[str, Strategy]:
    """Return every strategy by its name in the table."""
    recorded = {row["variant"] for row in read(SYNTHESES)}
    cascade_synthesis = "over one 0.5B and two of its own, answers, solve first"
    wave_synthesis = "over four of its own at 0.2 that all differ, answers, solve first"
    table_rows: dict[str, Strategy] = {
        "0.5B at 0.8 alone": single(SMALL_HOT),
        "0.5B at 0.8, vote of four": vote(SMALL_HOT),
        "1.5B at 0.8 alone": single(BIG_HOT),
        "1.5B at 0.4 alone": single(BIG_COOL),
        "1.5B at 0.2 alone": single(BIG_COLD),
        BASELINE: vote(BIG_HOT),
        "1.5B at 0.8, 2, 2 until unanimous, vote": waves(BIG_HOT, [2, 2], any_two=False),
        "1.5B at 0.8, 2, 1, 1 until two agree, vote": waves(BIG_HOT, [2, 1, 1], any_two=True),
        "1.5B at 0.2, 2, 1, 1 until two agree, vote": waves(BIG_COLD, [2, 1, 1], any_two=True),
        "two 0.5B, accepted if they agree, then two 1.5B at 0.2": cascade(
            SMALL_HOT, 2, BIG_COLD, 2, accept=True
        ),
        "0.5B, then 1.5B at 0.2 until two agree, two at most, vote": cascade(
            SMALL_HOT, 1, BIG_COLD, 2
        ),
        f"1.5B at 0.2, 2, 1, 1 until two agree, {wave_synthesis}": waves(
            BIG_COLD, [2, 1, 1], any_two=True, then=[wave_synthesis]
        ),
        f"0.5B, then 1.5B at 0.2 until two agree, two at most, 1.5B {cascade_synthesis}": cascade(
            SMALL_HOT, 1, BIG_COLD, 2, then=[cascade_synthesis]
        ),
    }
    for name, variant in VARIANTS.items():
        then = [*variant.previous_round, name]
        if variant.seed:
            continue
        if name in recorded and variant.sources == FOUR_SMALL:
            table_rows[f"four 0.5B until unanimous, 1.5B {name}"] = waves(
                SMALL_HOT, [4], any_two=False, then=then
            )
        elif name in recorded and variant.sources == FOUR_BIG:
            table_rows[f"four 1.5B at 0.8 until unanimous, {name}"] = waves(
                BIG_HOT, [4], any_two=False, then=then
            )
        elif name in recorded and variant.sources == TWO_BIG:
            table_rows[f"two 1.5B at 0.2 until unanimous, {name}"] = waves(
                BIG_COLD, [2], any_two=False, then=then
            )
    return table_rows


@dataclass(frozen=True, kw_only=True)
class Row:
    """The metrics of a strategy: fractions, means per question, difference to the baseline."""

    name: str
    accuracy: float
    interval: tuple[float, float]
    difference: float
    difference_interval: tuple[float, float]
    tokens: float
    cost: float
    synthesized: float


def rows() -> list[Row]:
    """Return the metrics of every strategy; `cost` is FLOPs relative to the baseline."""
    questions = load()
    outcomes = {
        name: [strategy(question) for question in questions]
        for name, strategy in strategies().items()
    }
    baseline = outcomes[BASELINE]
    return [_row(name, values, baseline) for name, values in outcomes.items()]


def load() -> list[Question]:
    """Return the recorded questions with their answers clustered and graded."""
    recordings = {item.name: {row["id"]: row for row in read(item.name)} for item in RECORDINGS}
    syntheses: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in read(SYNTHESES):
        syntheses.setdefault(row["id"], {})[row["variant"]] = row
    return [
        _question({name: rows[key] for name, rows in recordings.items()}, syntheses.get(key, {}))
        for key in recordings[BIG_HOT.name]
    ]


def _question(
    rows: Mapping[str, Mapping[str, Any]], syntheses: Mapping[str, Mapping[str, Any]]
) -> Question:
    """Return a question from its rows by recording and its syntheses by variant."""
    samples = {name: parse_samples(row) for name, row in rows.items()}
    texts = [sample.answer for group in samples.values() for sample in group]
    texts += [
        _synthesized(row, VARIANTS[name], source_samples(rows, VARIANTS[name]))
        for name, row in syntheses.items()
    ]
    gold = next(iter(rows.values()))["gold"]
    clusters = answers.cluster(texts, "math", ANSWER_SETTINGS)
    clusters_by_attempt = {index: n for n, group in enumerate(clusters) for index in group.samples}
    parts = [
        (part, SMALL if SMALL in name else BIG)
        for name, row in rows.items()
        for part in row["samples"]
    ]
    parts += [(row, BIG) for row in syntheses.values()]
    attempts = iter(
        Attempt(
            answer=clusters_by_attempt.get(n),
            tokens=part["tokens"] + part["prompt_tokens"],
            model=model,
        )
        for n, (part, model) in enumerate(parts)
    )
    return Question(
        is_correct=[answers.grade(group.answer, gold, "math") for group in clusters],
        samples={name: [next(attempts) for _ in row["samples"]] for name, row in rows.items()},
        syntheses={name: next(attempts) for name in syntheses},
    )


def _synthesized(row: Mapping[str, Any], variant: Variant, samples: Sequence[Sample]) -> str | None:
    """Return the answer of a synthesis, or of the reference it selected."""
    if row["finish_reason"] != "stop":
        return None
    if variant.selects:
        references = [
            Reference(text="", attempt=n, answer=samples[n].answer) for n in row["references"]
        ]
        choice = parse_judgment(row["text"], references)
        return choice.answer if choice else None
    answer = answers.extract(row["text"], "math")
    return answer.text if answer else None


def _row(name: str, outcomes: Sequence[Outcome], baseline: Sequence[Outcome]) -> Row:
    accuracies = [outcome.accuracy for outcome in outcomes]
    differences = [a.accuracy - b.accuracy for a, b in zip(outcomes, baseline, strict=True)]
    return Row(
        name=name,
        accuracy=statistics.fmean(accuracies),
        interval=bootstrap(accuracies),
        difference=statistics.fmean(differences),
        difference_interval=bootstrap(differences),
        tokens=statistics.fmean(outcome.tokens for outcome in outcomes),
        cost=_flops(outcomes) / _flops(baseline),
        synthesized=statistics.fmean(outcome.synthesized for outcome in outcomes),
    )


def _flops(outcomes: Sequence[Outcome]) -> float:
    return statistics.fmean(outcome.flops for outcome in outcomes)


def bootstrap(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95% percentile bootstrap interval of the mean over questions (fixed seed)."""
    rng = random.Random(0)
    means = sorted(statistics.fmean(rng.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return means[int(0.025 * RESAMPLES)], means[int(0.975 * RESAMPLES) - 1]


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table."""
    columns = ("flow", "accuracy", "95%", "to the vote", "95%", "tokens", "cost", "synthesized")
    lines = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    for row in rows:
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
