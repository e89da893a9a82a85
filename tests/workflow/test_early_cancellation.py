"""The wave monitor: cancelled samples never change the decision, for any order of samples."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2r.answers import Settings, extract
from a2r.config.gate import GateConfig
from a2r.config.limits import StopConfig
from a2r.gates import Plan, build_gate, decide
from a2r.gates.votes import count_votes
from a2r.result import Cluster, Sample
from a2r.workflow.early_cancellation import WaveContext, WaveMonitor
from a2r.workflow.voting import cluster_answers

GATES: list[dict[str, Any]] = [
    {"rule": "never"},
    {"rule": "share", "threshold": 0.5},
    {"rule": "share", "threshold": 0.75},
    {"rule": "beta", "threshold": 0.9},
    {"rule": "sprt"},
    {"rule": "window", "window": 3},
]
ANSWERS = [
    "4",
    "5",
    "5 \\text{ cm}",
    "4 \\text{ cm}",
    "4 \\text{ kg}",
    "50\\%",
    "0.5",
    "50",
    "(1, 2)",
    "1 < x < 2",
    "x = 1, y = 2",
    "",
    "cut",
]
RECORDED = Path(__file__).resolve().parents[2] / "benchmarks" / "local_pair" / "data"
SIZES = ("0.5b", "1.5b")
UNITS = Settings(units="shared")


def finish_sample(index: int, text: str) -> Sample:
    if text == "cut":
        return Sample(index=index, status="truncated", text="Then", finish_reason="length")
    boxed = f"So \\boxed{{{text}}}." if text else "No idea."
    return Sample(index=index, status="answered", text=boxed, finish_reason="stop")


def rules(gate: dict[str, Any], size: int, *, synthesis: bool) -> WaveContext:
    return WaveContext(
        gate=build_gate(GateConfig(**gate)),
        plan=Plan(synthesis=synthesis and gate["rule"] != "never"),
        stop=StopConfig(),
        settings=UNITS,
        question="How much is it?",
        kind="math",
        total=size,
        left=0,
        guesses_agree=False,
    )


def cancel_sample(sample: Sample) -> Sample:
    return sample.model_copy(update={"status": "cancelled", "text": "", "answer": None})


async def decided(
    samples: Sequence[Sample], context: WaveContext
) -> tuple[str, list[Cluster], list[Sample]]:
    """The gate's decision, the clusters, and the samples with extracted answers."""
    monitor = WaveMonitor(context=context, earlier=[], indices=[])
    read = [monitor._extract(sample) for sample in samples]
    clusters = await cluster_answers(read, "math", UNITS, context.question)
    votes = count_votes(read, clusters, "math", total=context.total)
    return decide(context.gate, "rule", votes, context.plan).decision, clusters, read


async def run_wave(
    texts: Sequence[str], order: Sequence[int], context: WaveContext
) -> list[Sample]:
    """The samples of a wave that finish in an order, or are cancelled."""
    monitor = WaveMonitor(context=context, earlier=[], indices=range(len(texts)))
    trackers = {index: monitor.track(index) for index in range(len(texts))}
    stops = {index: tracker.__enter__() for index, tracker in trackers.items()}
    samples: dict[int, Sample] = {}
    for index in order:
        sample = finish_sample(index, texts[index])
        if stops[index].reason is not None:
            sample = cancel_sample(sample)
        trackers[index].__exit__(None, None, None)
        samples[index] = sample
        await monitor.finish(sample)
    return [samples[index] for index in sorted(samples)]


def same(gate: dict[str, Any], texts: Sequence[str], order: Sequence[int], synthesis: bool) -> int:
    """Return the number of cancelled samples; check that they do not change the decision."""

    async def compare() -> int:
        context = rules(gate, len(texts), synthesis=synthesis)
        samples = [finish_sample(index, text) for index, text in enumerate(texts)]
        stopped = await run_wave(texts, order, context)
        decision, clusters, _ = await decided(stopped, context)
        expected, all_clusters, read = await decided(samples, context)
        assert decision == expected
        if all_clusters:
            # The same answer, possibly from the text of another sample.
            accepted = {read[index].answer for index in all_clusters[0].samples}
            assert clusters[0].answer in accepted
        return sum(sample.status == "cancelled" for sample in stopped)

    return asyncio.run(compare())


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: "-".join(map(str, gate.values())))
@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(st.sampled_from(ANSWERS), min_size=2, max_size=8),
    seed=st.integers(0, 99),
    synthesis=st.booleans(),
)
def test_random_votes(gate: dict[str, Any], texts: list[str], seed: int, synthesis: bool) -> None:
    order = random.Random(seed).sample(range(len(texts)), len(texts))
    same(gate, texts, order, synthesis)


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: "-".join(map(str, gate.values())))
@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(st.sampled_from([*ANSWERS[:2], ""]), min_size=2, max_size=10),
    share=st.floats(0.1, 1.0),
    synthesis=st.booleans(),
)
def test_answers_are_skipped_only_if_they_cannot_settle_the_wave(
    gate: dict[str, Any], texts: list[str], share: float, synthesis: bool
) -> None:
    monitor = WaveMonitor(
        context=rules(gate, len(texts), synthesis=synthesis), earlier=[], indices=[]
    )
    count = max(1, round(share * len(texts)))
    samples = [finish_sample(index, text) for index, text in enumerate(texts[:count])]
    still = range(count, len(texts))
    if all(monitor._is_settled(votes, still) for votes in monitor._outcomes(samples, len(still))):
        assert monitor._is_settled(monitor._in_agreement(samples, len(still)), still)


def test_a_clear_majority_cancels_most_remaining_samples() -> None:
    assert same({"rule": "never"}, ["4"] * 8, range(8), False) == 4
    assert same({"rule": "share", "threshold": 0.5}, ["4"] * 8, range(8), True) == 4
    assert same({"rule": "beta", "threshold": 0.9}, ["4"] * 8, range(8), True) == 2
    assert same({"rule": "never"}, ["4"] * 8, range(7, -1, -1), False) == 3


@pytest.mark.parametrize("rule", ["never", "share"])
def test_nothing_is_cancelled_while_the_kind_is_uncertain(rule: str) -> None:
    context = replace(rules({"rule": rule}, 4, synthesis=False), kind=None)
    samples = asyncio.run(run_wave(["4"] * 4, range(4), context))
    assert all(sample.status == "answered" for sample in samples)


def recorded(name: str) -> list[list[str]]:
    """The answers of each question of a recording of the local pair; "cut" if there is none."""
    with gzip.open(RECORDED / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    questions = []
    for row in rows:
        answers = [extract(sample["text"], "math") for sample in row["samples"]]
        questions.append([answer.text if answer else "cut" for answer in answers])
    return questions


@pytest.mark.integration
@pytest.mark.parametrize("gate", GATES, ids=lambda gate: "-".join(map(str, gate.values())))
def test_recorded_votes(gate: dict[str, Any]) -> None:
    # Samples of the small and of the big model of each question, as one wave of eight.
    small, big = (recorded(f"gsm8k64__qwen2.5-coder-{size}-instruct__T0.8_k4") for size in SIZES)
    shuffle = random.Random(0)
    cancelled = 0
    for weak, strong in zip(small, big, strict=True):
        order = shuffle.sample(range(8), 8)
        cancelled += same(gate, [*strong, *weak], order, gate["rule"] in ("share", "beta"))
    assert cancelled > 0
