"""Batches against the fault server: results, continuation, failures, budgets and outages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from a2r import A2R
from a2r.batch import BankError, BankRecord, Batch, BatchSettings
from a2r.batch import endpoint_wait as endpoint_wait_module
from a2r.errors import BudgetError, EndpointsUnreachableError
from a2r.evaluation import Bank
from tests.fault_server import Behavior, FaultServer

pytestmark = pytest.mark.integration

SAMPLES = 4
PRICE = {"input": 1.0, "output": 10.0}


def config(url: str, **explorer: Any) -> dict[str, Any]:
    role = {"model": "small", "endpoints": [url], "samples": SAMPLES, "price": PRICE, **explorer}
    deadline = {"call": 1.0}
    return {"kind": "math", "explorer": role, "stop": {"lossless": False}, "deadline": deadline}


def write_questions(folder: Path, count: int, names: Mapping[int, str] | None = None) -> str:
    path = folder / "questions.jsonl"
    texts = [(names or {}).get(n, f"number {n}?") for n in range(count)]
    rows = [{"question": text, "gold": "5", "level": n % 3} for n, text in enumerate(texts)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def answering(body: dict[str, Any], _: int) -> Behavior:
    return Behavior(text="So it is \\boxed{5}", tokens=4)


def failing(*numbers: int, status: int = 400) -> Callable[[dict[str, Any], int], Behavior]:
    """Questions with these numbers are rejected."""

    def reply(body: dict[str, Any], number: int) -> Behavior:
        content = body["messages"][-1]["content"]
        if any(f"number {each}?" in content for each in numbers):
            return Behavior(status=status, error="no")
        return answering(body, number)

    return reply


def batch_of(folder: Path, url: str, count: int, **settings: Any) -> Batch:
    explorer = settings.pop("explorer", {})
    values = {"questions": write_questions(folder, count), "folder": folder / "bank", **settings}
    overrides = settings.pop("overrides", None)
    values.pop("overrides", None)
    return Batch(
        solver=A2R(config(url, **explorer), overrides=overrides), settings=BatchSettings(**values)
    )


def records(folder: Path) -> list[BankRecord]:
    return sorted(Bank.open(folder / "bank"), key=lambda record: record.number)


async def test_every_question_has_a_record_with_everything_that_was_sampled(tmp_path: Path) -> None:
    with FaultServer(answering) as server:
        batch = batch_of(tmp_path, server.url, 30)
        await batch.run()
        log = server.request_log
        counts = batch.progress.counts
        assert (counts.questions, counts.correct, counts.graded) == (30, 30, 30)
        assert counts.usage.calls == log.arrived == 30 * SAMPLES
        assert counts.usage.prompt_tokens == log.prompt_tokens
        assert counts.usage.completion_tokens == log.generated
        assert counts.usage.cost == pytest.approx(
            (log.prompt_tokens + 10 * log.generated) / 1_000_000
        )
    stored = records(tmp_path)
    assert [record.number for record in stored] == list(range(30))
    for record in stored:
        assert record.result is not None
        assert (record.status, record.correct, record.fields) == (
            "answered",
            True,
            {"level": record.number % 3},
        )
        assert [sample.text for sample in record.result.samples] == [
            "So it is \\boxed{5}"
        ] * SAMPLES
    manifest = Bank.open(tmp_path / "bank").manifest
    assert (manifest.questions, manifest.finished_at is not None) == (30, True)
    assert not (tmp_path / "bank" / "journal").exists()


async def test_the_same_command_asks_nothing_again(tmp_path: Path) -> None:
    with FaultServer(answering) as server:
        await batch_of(tmp_path, server.url, 5).run()
        again = batch_of(tmp_path, server.url, 5)
        await again.run()
        assert server.request_log.arrived == 5 * SAMPLES
    assert (again.progress.asked, again.progress.counts.questions) == (0, 5)


async def test_a_batch_that_is_cancelled_continues_with_the_replies_that_arrived(
    tmp_path: Path,
) -> None:
    def reply(body: dict[str, Any], number: int) -> Behavior:
        # The last sample of each question hangs.
        return (
            Behavior(hang="before_headers") if body["seed"] == SAMPLES - 1 else answering(body, 0)
        )

    seeds = {"sampling": {"seed": 0}}
    with FaultServer(reply) as server:
        running = asyncio.create_task(batch_of(tmp_path, server.url, 3, explorer=seeds).run())
        await server.request_log.until(lambda log: log.finished == 3 * (SAMPLES - 1))
        await asyncio.sleep(0.1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert (tmp_path / "bank" / "journal").exists()
        arrived = server.request_log.arrived
    with FaultServer(answering) as server:
        batch = batch_of(tmp_path, server.url, 3, explorer=seeds)
        await batch.run()
        assert server.request_log.arrived == 3
    assert batch.progress.counts.usage.calls == arrived + 3
    assert {record.status for record in records(tmp_path)} == {"answered"}


async def test_failed_questions_are_recorded_and_asked_again_on_demand(tmp_path: Path) -> None:
    with FaultServer(failing(1, 3)) as server:
        await batch_of(tmp_path, server.url, 5).run()
        failed = [record for record in records(tmp_path) if record.status == "failed"]
        assert [record.number for record in failed] == [1, 3]
        assert failed[0].error_type == "NoAnswerError"
        assert "400" in (failed[0].error or "")
        assert failed[0].usage.calls == SAMPLES
        await batch_of(tmp_path, server.url, 5).run()
        assert server.request_log.arrived == 5 * SAMPLES
    with FaultServer(answering) as server:
        batch = batch_of(tmp_path, server.url, 5, retry_failed=True)
        await batch.run()
        assert server.request_log.arrived == 2 * SAMPLES
    counts = batch.progress.counts
    assert (counts.questions, counts.statuses["answered"], counts.statuses["failed"]) == (5, 5, 0)
    # What failed was paid for, too.
    assert counts.usage.calls == 7 * SAMPLES
    assert {record.attempt for record in records(tmp_path) if record.number in (1, 3)} == {1}


async def test_a_repeated_question_that_is_interrupted_pays_for_no_reply_twice(
    tmp_path: Path,
) -> None:
    def hanging(body: dict[str, Any], number: int) -> Behavior:
        is_last = body["seed"] == SAMPLES - 1
        return Behavior(hang="before_headers") if is_last else answering(body, number)

    seeds = {"sampling": {"seed": 0}}
    with FaultServer(failing(0)) as server:
        await batch_of(tmp_path, server.url, 1, explorer=seeds).run()
    with FaultServer(hanging) as server:
        retry = batch_of(tmp_path, server.url, 1, explorer=seeds, retry_failed=True)
        running = asyncio.create_task(retry.run())
        await server.request_log.until(lambda log: log.finished == SAMPLES - 1)
        await asyncio.sleep(0.1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    with FaultServer(answering) as server:
        last = batch_of(tmp_path, server.url, 1, explorer=seeds, retry_failed=True)
        await last.run()
        assert server.request_log.arrived == 1
    assert last.progress.counts.statuses["answered"] == 1


async def test_a_line_that_is_no_question_is_a_failed_record(tmp_path: Path) -> None:
    questions = tmp_path / "mixed.jsonl"
    questions.write_text('{"question": "a?"}\nno json\n{"text": "b"}\n{"question": "c?"}\n')
    with FaultServer(answering) as server:
        await batch_of(tmp_path, server.url, 0, questions=str(questions)).run()
        assert server.request_log.arrived == 2 * SAMPLES
    stored = records(tmp_path)
    assert [record.status for record in stored] == ["answered", "failed", "failed", "answered"]
    assert "line 2 is not JSON" in (stored[1].error or "")
    assert "has no 'question'" in (stored[2].error or "")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"explorer": {"samples": 5}}, r"the config has changed \(explorer.samples\)"),
        ({"count": 6}, "the file of the questions has changed"),
        ({"keep_thinking": True}, "--keep-thinking has changed"),
    ],
)
async def test_changes_are_refused_unless_they_are_accepted(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with FaultServer(answering) as server:
        await batch_of(tmp_path, server.url, 5).run()
        count = change.pop("count", 5)
        with pytest.raises(BankError, match=f"{message}.*--accept-changes"):
            await batch_of(tmp_path, server.url, count, **change).run()
        assert server.request_log.arrived == 5 * SAMPLES
        accepted = batch_of(tmp_path, server.url, count, accept_changes=True, **change)
        await accepted.run()
        assert server.request_log.arrived == count * SAMPLES
        await batch_of(tmp_path, server.url, count, **change).run()


async def test_where_a_config_runs_may_change(tmp_path: Path) -> None:
    with FaultServer(answering) as server:
        await batch_of(tmp_path, server.url, 2).run()
    with FaultServer(answering) as other:
        batch = batch_of(tmp_path, other.url, 2, explorer={"concurrency": 3})
        await batch.run()
    assert batch.progress.counts.questions == 2


async def test_a_changed_question_is_asked_again_where_changes_are_accepted(
    tmp_path: Path,
) -> None:
    with FaultServer(answering) as server:
        await batch_of(tmp_path, server.url, 3).run()
        path = write_questions(tmp_path, 3, names={1: "number 10?"})
        changed = BatchSettings(questions=path, folder=tmp_path / "bank", accept_changes=True)
        await Batch(solver=A2R(config(server.url)), settings=changed).run()
        assert server.request_log.arrived == 4 * SAMPLES
    assert [record.question for record in records(tmp_path)] == [
        "number 0?",
        "number 10?",
        "number 2?",
    ]


async def test_a_budget_ends_the_batch_and_the_rest_is_asked_later(tmp_path: Path) -> None:
    with FaultServer(answering) as server:
        limited = batch_of(
            tmp_path, server.url, 200, max_in_flight=2, overrides={"budget.session.tokens": 1000}
        )
        await limited.run()
        assert isinstance(limited.stopped_by, BudgetError)
        used = limited.progress.counts
        assert 0 < used.questions < 200
        more = batch_of(
            tmp_path, server.url, 200, max_in_flight=2, overrides={"budget.session.tokens": 2000}
        )
        await more.run()
        assert isinstance(more.stopped_by, BudgetError)
        # The budget is that of the whole batch.
        assert used.questions < more.progress.counts.questions < 4 * used.questions
        rest = batch_of(tmp_path, server.url, 200)
        await rest.run()
        assert rest.progress.counts.statuses == {"answered": 200}
        assert rest.progress.counts.usage.calls == server.request_log.arrived


async def test_a_stop_finishes_the_running_questions(tmp_path: Path) -> None:
    with FaultServer(answering) as server:
        batch = batch_of(tmp_path, server.url, 500, max_in_flight=4)
        batch.on_record = lambda _: batch.stop()
        await batch.run()
        stored = len(records(tmp_path))
        assert 1 <= stored <= 8
        assert server.request_log.arrived == stored * SAMPLES
        assert server.request_log.cancelled == 0


async def test_an_endpoint_that_is_down_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint_wait_module, "FIRST_DELAY", 0.05)
    with FaultServer(answering) as server:
        await asyncio.to_thread(server.kill)
        batch = batch_of(tmp_path, server.url, 20, max_in_flight=4)
        running = asyncio.create_task(batch.run())
        async with asyncio.timeout(60):
            await batch.progress.waits.wait()
        assert "no endpoint can be reached" in (batch.progress.waiting or "")
        await asyncio.to_thread(server.revive)
        await running
        assert batch.progress.counts.statuses == {"answered": 20}
        assert batch.progress.counts.usage.calls == server.request_log.arrived


async def test_endpoints_that_stay_down_end_the_batch_and_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint_wait_module, "FIRST_DELAY", 0.01)
    with FaultServer(answering) as server:
        await asyncio.to_thread(server.kill)
        batch = batch_of(tmp_path, server.url, 20, max_in_flight=4, endpoint_wait=0.1)
        await batch.run()
        assert isinstance(batch.stopped_by, EndpointsUnreachableError)
        assert records(tmp_path) == []
        await asyncio.to_thread(server.revive)
        again = batch_of(tmp_path, server.url, 20, max_in_flight=4)
        await again.run()
    assert again.progress.counts.statuses == {"answered": 20}


@pytest.mark.parametrize("keep", [True, False])
async def test_thinking_is_stored_on_demand(tmp_path: Path, keep: bool) -> None:
    thinking = Behavior(text="\\boxed{5}", reasoning="two and three", tokens=4)
    with FaultServer(thinking) as server:
        await batch_of(tmp_path, server.url, 1, keep_thinking=keep).run()
    (record,) = records(tmp_path)
    expected = {f"sample-{n}": "two and three" for n in range(SAMPLES)} if keep else {}
    assert record.thinking == expected
