"""The parts of the MCP server: progress, cancellation, redaction, stored results."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest

from a2r._internal.secret_redaction import REDACTED
from a2r._internal.text import one_line, replace_surrogates
from a2r.config import load_config
from a2r.errors import ConfigError, RunNotFoundError
from a2r.events import (
    AnyEvent,
    GateDecided,
    RunFinished,
    RunStarted,
    SampleFinished,
    SampleProgress,
)
from a2r.interfaces.http.model_registry import ModelRegistry
from a2r.interfaces.mcp_server.lifecycle import ServerShutdownError, await_or_cancel
from a2r.interfaces.mcp_server.progress_notifications import ProgressReporter
from a2r.interfaces.mcp_server.resources import redacted_config
from a2r.interfaces.mcp_server.server_state import MAX_STORED_RESULTS, ServerState
from a2r.interfaces.mcp_server.solve_call import limit_samples
from a2r.interfaces.mcp_server.tool_outputs import Solution
from a2r.result import GateReport, Result, Sample
from a2r.usage import Usage, UsageByRole
from tests.support.fake_openai import config_for

NOWHERE = "http://127.0.0.1:9/v1"
USAGE = Usage(calls=1, prompt_tokens=10, completion_tokens=5)


def result(run_id: str = "r", **changes: Any) -> Result:
    values: dict[str, Any] = {
        "question": "?",
        "answer": "42",
        "kind": "math",
        "method": "unanimous",
        "text": "It is 42.",
        "agreement": 1.0,
        "clusters": [],
        "samples": [],
        "gate": None,
        "decisions": [],
        "synthesis": [],
        "usage": UsageByRole(explorer=USAGE, synthesizer=Usage(), total=USAGE),
        "savings": None,
        "seconds": 1.0,
        "run_id": run_id,
        "config": "c",
        "warnings": [],
    }
    return Result(**(values | changes))


class RecordingClient:
    """Records the notifications of a run."""

    def __init__(self) -> None:
        self.notifications: list[tuple[float, float | None, str]] = []
        self.more = asyncio.Event()

    async def send(self, value: float, total: float | None, text: str) -> None:
        # Concurrent notifications must stay in order.
        await asyncio.sleep(0)
        self.notifications.append((value, total, text))
        self.more.set()

    async def until(self, count: int) -> None:
        while len(self.notifications) < count:
            self.more.clear()
            await self.more.wait()


def sample_finished(index: int) -> SampleFinished:
    return SampleFinished(sample=Sample(index=index, status="answered", text="x"))


GATE = GateDecided(gate=GateReport(rule="unanimous", decision="sample_more", reason="two of four"))


async def test_progress_increases_up_to_the_total() -> None:
    client = RecordingClient()
    reporter = ProgressReporter(send=client.send)
    events: list[AnyEvent] = [
        RunStarted(run_id="r", question="?", kind="math", samples=2),
        SampleProgress(index=0, tokens=7, seconds=0.1),
        sample_finished(0),
        *[GATE] * 50,
        sample_finished(1),
        GATE,
        sample_finished(2),
        GATE,
        RunFinished(result=result()),
    ]
    for event in events:
        await reporter.report(event)
    values = [value for value, _, _ in client.notifications]
    assert values == sorted(set(values))
    assert [total for _, total, _ in client.notifications] == [3.0] * 54 + [4.0] * 3
    assert client.notifications[-1] == (4.0, 4.0, "unanimous: answer 42")


async def test_an_idle_run_reports_progress() -> None:
    client = RecordingClient()
    reporter = ProgressReporter(send=client.send)
    heartbeat = asyncio.create_task(reporter.heartbeat(0.01))
    await client.until(2)
    await reporter.report(RunStarted(run_id="r", question="?", kind="math", samples=2))
    await reporter.report(SampleProgress(index=0, tokens=7, seconds=0.1))
    await client.until(len(client.notifications) + 2)
    heartbeat.cancel()
    values = [value for value, _, _ in client.notifications]
    assert values == sorted(set(values))
    assert (client.notifications[0][1], client.notifications[-1][1]) == (None, 3.0)
    assert client.notifications[0][2].startswith("warming up, ")
    assert "0 samples finished, 7 tokens of running samples" in client.notifications[-1][2]


async def test_a_cancelled_call_completes_its_cleanup() -> None:
    started = asyncio.Event()
    steps: list[int] = []

    async def work() -> None:
        try:
            started.set()
            await asyncio.Event().wait()
        finally:
            for step in range(3):
                await asyncio.sleep(0)
                steps.append(step)

    async with anyio.create_task_group() as group:
        group.start_soon(await_or_cancel, asyncio.create_task(work()), None)
        await started.wait()
        group.cancel_scope.cancel()
    assert steps == [0, 1, 2]


async def test_a_cancellation_by_the_server_does_not_cancel_the_caller() -> None:
    task = asyncio.create_task(asyncio.Event().wait())
    asyncio.get_running_loop().call_soon(task.cancel)
    with pytest.raises(ServerShutdownError):
        await await_or_cancel(task, None)


def test_a_config_is_shown_without_secrets() -> None:
    loaded = load_config(
        {
            "explorer": {
                "model": "m",
                "endpoints": ["http://me:secret-1@host/v1?token=secret-2"],
                "vllm": {"port": 8001, "env": {"HF_TOKEN": "secret-3", "LEVEL": "debug"}},
            }
        }
    )
    values = redacted_config(loaded)
    assert "secret" not in repr(values)
    assert values["explorer"]["endpoints"] == ["http://host/v1"]
    assert values["explorer"]["vllm"]["env"] == {"HF_TOKEN": REDACTED, "LEVEL": "debug"}
    assert values["synthesizer"] is None


def test_the_most_recently_used_results_are_cached() -> None:
    state = ServerState(registry=ModelRegistry.from_configs(["tiny"]), max_samples=8)
    for number in range(MAX_STORED_RESULTS):
        state.store_result(result(str(number)))
    assert state.result("0").run_id == "0"
    state.store_result(result("one more"))
    assert state.result("0").run_id == "0"
    with pytest.raises(RunNotFoundError, match="no run '1'"):
        state.result("1")


def test_only_configs_are_allowed() -> None:
    state = ServerState(registry=ModelRegistry.from_configs(["tiny", "local"]), max_samples=8)
    assert (state.names, state.default) == (["local", "tiny"], "tiny")
    assert state.solver("local").config.name == "local"
    with pytest.raises(ConfigError, match="unknown config 'tiny/select': use one of local, tiny"):
        state.solver("tiny/select")


def test_unknown_values_are_null() -> None:
    unknown = Usage(calls=1, prompt_tokens=None, completion_tokens=5, cost=None)
    usage = UsageByRole(explorer=unknown, synthesizer=Usage(), total=unknown)
    solution = Solution.from_result(
        result(usage=usage, answer=None, agreement=None, text="a \ud83d")
    )
    assert (solution.tokens, solution.cost, solution.answer) == (None, None, None)
    assert solution.solution == "a \ufffd"


def test_messages_are_plain_text() -> None:
    assert one_line("two\nlines\x1b[31m \ud83d") == "two lines [31m \ufffd"
    assert one_line("x" * 9, 5) == "xxxx…"
    assert replace_surrogates("ü\ud83d") == "ü\ufffd"


@pytest.mark.parametrize(
    ("samples", "waves"),
    [(1, [1]), (2, [2]), (3, [2, 1]), (4, [2, 2]), (8, [2, 2, 4]), (9, None), (None, [2, 2, 4])],
)
def test_a_number_of_samples_shortens_the_waves(
    samples: int | None, waves: list[int] | None
) -> None:
    loaded = load_config(
        config_for(NOWHERE, explorer__samples=None, explorer__waves=[2, 2, 4], gate__rule="never")
    )
    cut = loaded.override(limit_samples(samples, loaded.config)).config.explorer
    assert cut.wave_sizes == (waves or [samples])


def test_secrets_of_a_config_are_redacted() -> None:
    body = {"api_key": "sk-1", "max_tokens": 5, "deep": [{"token": "sk-2"}], "top_k": 3}
    serve = {"port": 8001, "flags": {"hf-token": "sk-3"}, "env": {"MY_SECRET": "sk-4"}}
    loaded = load_config(
        config_for(
            "http://127.0.0.1:8001/v1",
            explorer__sampling__extra_body=body,
            explorer__vllm=serve,
        )
    )
    shown = redacted_config(loaded)["explorer"]
    assert "sk-" not in str(shown)
    assert shown["sampling"]["extra_body"]["max_tokens"] == 5
    assert shown["sampling"]["extra_body"]["top_k"] == 3


async def test_a_run_without_an_answer_is_described_in_text() -> None:
    client = RecordingClient()
    await ProgressReporter(send=client.send).report(
        RunFinished(result=result(method=None, answer=None))
    )
    assert [text for _, _, text in client.notifications] == ["no answer"]
