"""A bank is the source of another batch: only what it does not hold is requested."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from a2r import A2R
from a2r.batch import Batch, BatchSettings
from a2r.batch.dry_run import count_calls
from a2r.evaluation import Bank
from tests.fault_server import Behavior, FaultServer
from tests.support.preloaded_python import python

pytestmark = pytest.mark.integration

QUESTIONS, SAMPLES = 6, 4


def disagreeing() -> Any:
    """Samples of two answers for odd questions, and of one for the others; syntheses of 5."""
    numbers = count()

    def reply(body: dict[str, Any], _: int) -> Behavior:
        text = body["messages"][-1]["content"]
        odd = any(f"number {n}?" in text for n in range(1, QUESTIONS, 2))
        answer = 5 if body["model"] == "big" or not odd else next(numbers) % 2
        return Behavior(text=f"So it is \\boxed{{{answer}}}", tokens=4)

    return reply


def config(url: str, **changes: Any) -> dict[str, Any]:
    role = {"endpoints": [url], "sampling": {"seed": 7}}
    return {
        "kind": "math",
        "explorer": {**role, "model": "small", "samples": SAMPLES},
        "synthesizer": {**role, "model": "big"},
        "gate": {"rule": "always"},
        "stop": {"lossless": False},
        **changes,
    }


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with FaultServer(disagreeing()) as running:
        yield running


@pytest.fixture(scope="module")
def bank(server: FaultServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bank in which every question is synthesized."""
    folder = tmp_path_factory.mktemp("bank")
    rows = [{"question": f"number {n}?", "gold": "5"} for n in range(QUESTIONS)]
    (folder / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "mine.json").write_text(json.dumps(config(server.url)))
    (folder / "mine.json").rename(folder / "mine.yaml")
    command = ["batch", str(folder / "q.jsonl"), "--config", str(folder / "mine.yaml")]
    completed = a2r(*command, "--out", str(folder / "bank"))
    assert completed.returncode == 0, completed.stderr
    assert server.request_log.arrived == QUESTIONS * (SAMPLES + 1)
    return folder / "bank"


def a2r(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python(), "-m", "a2r", *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("changes", "explored", "synthesized", "methods"),
    [
        ({}, 0, 0, {"synthesized": 6}),
        ({"gate": {"rule": "unanimous"}}, 0, 0, {"unanimous": 3, "synthesized": 3}),
        ({"graph": "self_consistency"}, 0, 0, {"unanimous": 3, "majority": 3}),
        ({"references": {"content": "answer"}}, 0, 6, {"synthesized": 6}),
        ({"answers": {"last_number": "vote"}}, 0, 0, {"synthesized": 6}),
        ({"graph": "select"}, 0, 6, None),
    ],
    ids=["same", "gate", "graph", "packing", "answers", "select"],
)
async def test_only_what_is_not_recorded_is_requested(
    bank: Path,
    server: FaultServer,
    tmp_path: Path,
    changes: dict[str, Any],
    explored: int,
    synthesized: int,
    methods: dict[str, int] | None,
) -> None:
    log = server.request_log
    before = log.arrived
    solver = A2R(config(server.url, **changes))
    settings = BatchSettings(questions=str(bank), folder=tmp_path / "new")
    dry = await count_calls(solver, settings)
    assert (dry.calls["explorer"], dry.calls["synthesizer"]) == (explored, synthesized)
    assert log.arrived == before
    batch = Batch(solver=solver, settings=settings)
    await batch.run()
    assert log.arrived - before == explored + synthesized
    counts = batch.progress.counts
    assert counts.usage.calls == explored + synthesized
    if methods is not None:
        assert +counts.methods == methods
    for record, earlier in zip(
        sorted(Bank.open(tmp_path / "new"), key=lambda each: each.number),
        sorted(Bank.open(bank), key=lambda each: each.number),
        strict=True,
    ):
        assert record.result is not None
        assert earlier.result is not None
        # The cost of the method counts recorded samples, too.
        assert record.result.samples == earlier.result.samples
        assert record.gold == "5"


async def test_other_samples_are_sampled_again(
    bank: Path, server: FaultServer, tmp_path: Path
) -> None:
    changed = config(server.url)
    changed["explorer"]["samples"] = SAMPLES + 2
    settings = BatchSettings(questions=str(bank), folder=tmp_path)
    more = await count_calls(A2R(changed), settings)
    assert more.calls["explorer"] == 2 * QUESTIONS
    changed["explorer"]["sampling"] = {"seed": 7, "temperature": 0.1}
    other = await count_calls(A2R(changed), settings)
    assert other.calls["explorer"] == (SAMPLES + 2) * QUESTIONS


def test_the_command(bank: Path, server: FaultServer, tmp_path: Path) -> None:
    mine = str(bank.parent / "mine.yaml")
    options = ["--config", mine, "--set", "references.content=answer"]
    dry = a2r("replay", str(bank), *options, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "synthesizer  0                 6" in dry.stdout
    ran = a2r("replay", str(bank), *options, "--out", str(tmp_path / "new"), "--json")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["usage"]["calls"] == QUESTIONS
    for wrong, message in (
        ([str(bank), "--dry-run"], "need --config"),
        ([mine, *options, "--dry-run"], "take one bank"),
    ):
        refused = a2r("replay", *wrong)
        assert refused.returncode == 2
        assert message in refused.stderr
