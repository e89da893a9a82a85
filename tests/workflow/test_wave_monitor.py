"""A wave that is watched: in whatever order its samples end, giving some up changes nothing."""

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
from a2r.workflow.voting import cluster_answers
from a2r.workflow.wave_monitor import WaveContext, WaveMonitor

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
    "",
    "cut",
]
RECORDED = Path(__file__).resolve().parents[2] / "benchmarks" / "local_pair" / "data"
SIZES = ("0.5b", "1.5b")
UNITS = Settings(units="shared")


def ended(index: int, text: str) -> Sample:
    if text == "cut":
        return Sample(index=index, status="truncated", text="Then", finish_reason="length")
    boxed = f"So \\boxed{{{text}}}." if text else "No idea."
    return Sample(index=index, status="answered", text=boxed, finish_reason="stop")


def rules(own: dict[str, Any], size: int, *, synthesis: bool) -> WaveContext:
    return WaveContext(
        gate=build_gate(GateConfig(**own)),
        plan=Plan(synthesis=synthesis and own["rule"] != "never"),
        stop=StopConfig(),
        settings=UNITS,
        question="How much is it?",
        kind="math",
        total=size,
        left=0,
        guesses_agree=False,
    )


def given_up(sample: Sample) -> Sample:
    return sample.model_copy(update={"status": "cancelled", "text": "", "answer": None})


async def decided(
    samples: Sequence[Sample], given: WaveContext
) -> tuple[str, list[Cluster], list[Sample]]:
    """The gate's decision, the clusters, and the samples as they are read after the wave."""
    watch = WaveMonitor(context=given, earlier=[], indices=[])
    read = [watch._extract(sample) for sample in samples]
    clusters = await cluster_answers(read, "math", UNITS)
    votes = count_votes(read, clusters, "math", total=given.total)
    return decide(given.gate, "rule", votes, given.plan).decision, clusters, read


async def watched(texts: Sequence[str], order: Sequence[int], given: WaveContext) -> list[Sample]:
    """The samples of a wave that end in an order; those given up are cancelled."""
    watch = WaveMonitor(context=given, earlier=[], indices=range(len(texts)))
    places = {index: watch.track(index) for index in range(len(texts))}
    stops = {index: place.__enter__() for index, place in places.items()}
    samples: dict[int, Sample] = {}
    for index in order:
        sample = ended(index, texts[index])
        if stops[index].reason is not None:
            sample = given_up(sample)
        places[index].__exit__(None, None, None)
        samples[index] = sample
        await watch.finish(sample)
    return [samples[index] for index in sorted(samples)]


def same(own: dict[str, Any], texts: Sequence[str], order: Sequence[int], synthesis: bool) -> int:
    """How many samples were given up, after checking that nothing else is different."""

    async def compare() -> int:
        given = rules(own, len(texts), synthesis=synthesis)
        whole = [ended(index, text) for index, text in enumerate(texts)]
        stopped = await watched(texts, order, given)
        decision, clusters, _ = await decided(stopped, given)
        expected, all_clusters, read = await decided(whole, given)
        assert decision == expected
        if all_clusters:
            # The same answer, though perhaps in the words of another sample.
            accepted = {read[index].answer for index in all_clusters[0].samples}
            assert clusters[0].answer in accepted
        return sum(sample.status == "cancelled" for sample in stopped)

    return asyncio.run(compare())


@pytest.mark.parametrize("own", GATES, ids=lambda own: "-".join(map(str, own.values())))
@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(st.sampled_from(ANSWERS), min_size=2, max_size=8),
    seed=st.integers(0, 99),
    synthesis=st.booleans(),
)
def test_random_votes(own: dict[str, Any], texts: list[str], seed: int, synthesis: bool) -> None:
    order = random.Random(seed).sample(range(len(texts)), len(texts))
    same(own, texts, order, synthesis)


@pytest.mark.parametrize("own", GATES, ids=lambda own: "-".join(map(str, own.values())))
@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(st.sampled_from([*ANSWERS[:2], ""]), min_size=2, max_size=10),
    share=st.floats(0.1, 1.0),
    synthesis=st.booleans(),
)
def test_answers_are_skipped_only_if_they_cannot_settle_the_wave(
    own: dict[str, Any], texts: list[str], share: float, synthesis: bool
) -> None:
    watch = WaveMonitor(context=rules(own, len(texts), synthesis=synthesis), earlier=[], indices=[])
    count = max(1, round(share * len(texts)))
    samples = [ended(index, text) for index, text in enumerate(texts[:count])]
    still = range(count, len(texts))
    if all(watch._is_settled(votes, still) for votes in watch._outcomes(samples, len(still))):
        assert watch._is_settled(watch._in_agreement(samples, len(still)), still)


def test_a_clear_majority_cancels_most_remaining_samples() -> None:
    assert same({"rule": "never"}, ["4"] * 8, range(8), False) == 4
    assert same({"rule": "share", "threshold": 0.5}, ["4"] * 8, range(8), True) == 4
    assert same({"rule": "beta", "threshold": 0.9}, ["4"] * 8, range(8), True) == 2
    assert same({"rule": "never"}, ["4"] * 8, range(7, -1, -1), False) == 3


@pytest.mark.parametrize("rule", ["never", "share"])
def test_nothing_is_cancelled_while_the_kind_is_uncertain(rule: str) -> None:
    given = replace(rules({"rule": rule}, 4, synthesis=False), kind=None)
    samples = asyncio.run(watched(["4"] * 4, range(4), given))
    assert all(sample.status == "answered" for sample in samples)


def recorded(name: str) -> list[list[str]]:
    """The answers of each question of a recording of the local pair; cut where there is none."""
    with gzip.open(RECORDED / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    found = []
    for row in rows:
        answers = [extract(sample["text"], "math") for sample in row["samples"]]
        found.append([answer.text if answer else "cut" for answer in answers])
    return found


@pytest.mark.parametrize("own", GATES, ids=lambda own: "-".join(map(str, own.values())))
def test_recorded_votes(own: dict[str, Any]) -> None:
    # Samples of the small and of the big model of each question, as one wave of eight.
    small, big = (recorded(f"gsm8k64__qwen2.5-coder-{size}-instruct__T0.8_k4") for size in SIZES)
    shuffle = random.Random(0)
    given_up = 0
    for weak, strong in zip(small, big, strict=True):
        order = shuffle.sample(range(8), 8)
        given_up += same(own, [*strong, *weak], order, own["rule"] in ("share", "beta"))
    assert given_up > 0
