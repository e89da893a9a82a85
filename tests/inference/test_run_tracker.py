"""What a process knows of a run: its clock, its cached samples, and its prompts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from a2r.inference import run_tracker
from a2r.inference.run_tracker import MAX_IDLE_CACHES, RunRegistry
from a2r.inference.types import ChatMessage, Request
from a2r.result import Sample


@dataclass(frozen=True)
class FinishedWave:
    text: str = "a long text"
    is_complete: bool = True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(run_tracker.time, "monotonic", lambda: now[0])
    return now


def test_time_without_a_running_node_does_not_count(clock: list[float]) -> None:
    registry = RunRegistry()
    run = registry.get_or_start("run")
    registry.node_started("run")
    clock[0] += 5
    registry.node_finished("run")
    clock[0] += 1000
    registry.node_started("run")
    clock[0] += 2
    assert clock[0] - run.started_at == 7


def test_overlapping_nodes_leave_no_gap(clock: list[float]) -> None:
    registry = RunRegistry()
    run = registry.get_or_start("run")
    registry.node_started("run")
    registry.node_started("run")
    clock[0] += 5
    registry.node_finished("run")
    clock[0] += 5
    registry.node_started("run")
    clock[0] += 5
    assert clock[0] - run.started_at == 15


def test_an_unknown_run_has_no_clock(clock: list[float]) -> None:
    registry = RunRegistry()
    registry.node_started(None)
    registry.node_finished("unknown")
    assert registry.get_or_start("unknown").started_at == 100.0


def test_the_texts_of_a_cancelled_run_are_dropped_with_its_last_node() -> None:
    registry = RunRegistry()
    run = registry.get_or_start("run")
    registry.node_started("run")
    registry.node_started("run")
    texts = run.wave_monitor(0, FinishedWave)
    registry.node_finished("run", failed=True)
    assert run.wave_monitor(0, FinishedWave) is texts
    registry.node_finished("run", failed=True)
    assert run.last_wave_monitor is None


def test_only_the_last_idle_runs_keep_their_texts() -> None:
    registry = RunRegistry()
    runs = [registry.get_or_start(str(number)) for number in range(MAX_IDLE_CACHES + 1)]
    for number, run in enumerate(runs):
        registry.node_started(str(number))
        run.wave_monitor(0, FinishedWave)
        registry.node_finished(str(number))
    assert runs[0].last_wave_monitor is None
    assert all(run.last_wave_monitor == FinishedWave() for run in runs[1:])


def test_a_sample_is_validated_once_until_it_changes() -> None:
    run = RunRegistry().get_or_start("run")
    data = Sample(index=0, status="answered", text="4").model_dump(mode="json")
    sample = run.parse(Sample, data)
    assert run.parse(Sample, dict(data)) is sample
    data["answer"] = "4"
    assert run.parse(Sample, data).answer == "4"
    assert sample.answer is None


def test_a_cancelled_run_is_forgotten_with_its_last_node() -> None:
    registry = RunRegistry()
    registry.get_or_start("run")
    registry.node_started("run")
    registry.node_started("run")
    registry.node_finished("run", failed=True, cancelled=True)
    assert registry.get("run") is not None
    registry.node_finished("run", failed=True, cancelled=True)
    assert registry.get("run") is None


def test_a_running_run_is_never_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_tracker, "MAX_TRACKED_RUNS", 3)
    registry = RunRegistry()
    first = registry.get_or_start("running")
    registry.node_started("running")
    for number in range(10):
        registry.get_or_start(f"idle {number}")
        registry.node_started(f"idle {number}")
        registry.node_finished(f"idle {number}", failed=number % 2 == 0)
    assert registry.get_or_start("running") is first
    assert [number for number in range(10) if registry.get(f"idle {number}")] == [8, 9]
    registry.node_finished("running")
    registry.get_or_start("next")
    assert registry.get("idle 8") is None
    assert registry.get("running") is first


def test_the_runs_of_a_context_end_with_it() -> None:
    registry, other = RunRegistry(), RunRegistry()
    registry.get_or_start("before")
    with registry.finish_at_end():
        registry.get_or_start("run")
        other.get_or_start("run of another registry")
        registry.get_or_start("failed")
        with pytest.raises(ZeroDivisionError), registry.finish_on_error("failed"):
            _ = 1 // 0
        assert registry.get("failed") is None
        assert registry.get("run") is not None
    assert registry.get("run") is None
    assert registry.get("before") is not None
    assert other.get("run of another registry") is not None


def test_a_request_without_usage_has_the_prompt_of_the_one_before() -> None:
    registry = RunRegistry()
    registry.get_or_start("run")

    def request(text: str, **changes: Any) -> Request:
        messages = [ChatMessage(role="user", content=text)]
        fields = {"role": "explorer", "affinity_key": "run", "seed": 0, "timeout": 1.0, **changes}
        return Request(messages=messages, **fields)

    assert registry.prompt_tokens(request("a"), None) is None
    assert registry.prompt_tokens(request("a"), 31) == 31
    assert registry.prompt_tokens(request("a"), None) == 31
    assert registry.prompt_tokens(request("b"), None) is None
    assert registry.prompt_tokens(request("a", role="synthesizer"), None) is None
    assert registry.prompt_tokens(request("a", affinity_key="another"), None) is None
    assert registry.prompt_tokens(request("a", affinity_key=None), 5) == 5
