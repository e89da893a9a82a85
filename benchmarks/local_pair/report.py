"""The flows over the recorded local pair, as a table: `python -m benchmarks.local_pair.report`."""

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
from a2r.workflow.reference_selection import Reference
from benchmarks.local_pair.data import read
from benchmarks.local_pair.flows import (
    Flow,
    Outcome,
    Question,
    Try,
    cascade,
    single,
    vote,
    waves,
)
from benchmarks.local_pair.record import SYNTHESES, samples_of, sources_of
from benchmarks.local_pair.variants import (
    BIG,
    BIG_COLD,
    BIG_COOL,
    BIG_HOT,
    FOUR_OWN,
    FOUR_SMALL,
    RECORDINGS,
    SMALL,
    SMALL_HOT,
    TWO_OWN,
    VARIANTS,
    Variant,
)

BASELINE = "1.5B at 0.8, vote of four"
RESAMPLES = 2000
UNITS = Settings(units="shared")


def flows() -> dict[str, Flow]:
    """Every flow by its name in the table."""
    made = {row["variant"] for row in read(SYNTHESES)}
    cascaded = "over one 0.5B and two of its own, answers, solve first"
    last = "over four of its own at 0.2 that all differ, answers, solve first"
    found: dict[str, Flow] = {
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
        f"1.5B at 0.2, 2, 1, 1 until two agree, {last}": waves(
            BIG_COLD, [2, 1, 1], any_two=True, then=[last]
        ),
        f"0.5B, then 1.5B at 0.2 until two agree, two at most, 1.5B {cascaded}": cascade(
            SMALL_HOT, 1, BIG_COLD, 2, then=[cascaded]
        ),
    }
    for name, variant in VARIANTS.items():
        then = [*variant.over, name]
        if variant.attempt:
            continue
        if name in made and variant.sources == FOUR_SMALL:
            found[f"four 0.5B until unanimous, 1.5B {name}"] = waves(
                SMALL_HOT, [4], any_two=False, then=then
            )
        elif name in made and variant.sources == FOUR_OWN:
            found[f"four 1.5B at 0.8 until unanimous, {name}"] = waves(
                BIG_HOT, [4], any_two=False, then=then
            )
        elif name in made and variant.sources == TWO_OWN:
            found[f"two 1.5B at 0.2 until unanimous, {name}"] = waves(
                BIG_COLD, [2], any_two=False, then=then
            )
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
    """The recorded questions, all their answers clustered and graded together."""
    recorded = {one.name: {row["id"]: row for row in read(one.name)} for one in RECORDINGS}
    made: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in read(SYNTHESES):
        made.setdefault(row["id"], {})[row["variant"]] = row
    return [
        _question({name: rows[key] for name, rows in recorded.items()}, made.get(key, {}))
        for key in recorded[BIG_HOT.name]
    ]


def _question(
    rows: Mapping[str, Mapping[str, Any]], made: Mapping[str, Mapping[str, Any]]
) -> Question:
    """What was recorded for one question: rows by recording, syntheses by variant."""
    whole = {name: samples_of(row) for name, row in rows.items()}
    found = [sample.answer for samples in whole.values() for sample in samples]
    found += [
        _synthesized(row, VARIANTS[name], sources_of(rows, VARIANTS[name]))
        for name, row in made.items()
    ]
    some = next(iter(rows.values()))
    clusters = answers.cluster(found, "math", UNITS)
    places = {index: n for n, group in enumerate(clusters) for index in group.samples}
    parts = [
        (part, SMALL if SMALL in name else BIG)
        for name, row in rows.items()
        for part in row["samples"]
    ]
    parts += [(row, BIG) for row in made.values()]
    tries = iter(
        Try(answer=places.get(n), tokens=part["tokens"] + part["prompt_tokens"], model=model)
        for n, (part, model) in enumerate(parts)
    )
    return Question(
        right=[answers.grade(group.answer, some["gold"], "math") for group in clusters],
        samples={name: [next(tries) for _ in row["samples"]] for name, row in rows.items()},
        syntheses={name: next(tries) for name in made},
    )


def _synthesized(row: Mapping[str, Any], variant: Variant, samples: Sequence[Sample]) -> str | None:
    """The answer of a synthesis, or of the reference that it chose."""
    if row["finish_reason"] != "stop":
        return None
    if variant.selects:
        shown = [Reference(text="", attempt=n, answer=samples[n].answer) for n in row["references"]]
        choice = parse_judgment(row["text"], shown)
        return choice.answer if choice else None
    found = answers.extract(row["text"], "math")
    return found.text if found else None


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
