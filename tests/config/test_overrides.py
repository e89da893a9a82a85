"""Overrides of one question, concurrent questions, a shared workflow, and request IDs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from multidict import CIMultiDict

from a2r import A2R
from a2r.errors import A2RError, ConfigError, NoAnswerError, QuestionError
from a2r.events import RunFinished, SampleFinished, SynthesisStarted
from a2r.workflow.runtime import REQUEST_ID_KEY
from tests.support.fake_openai import (
    RequestLog,
    ScriptedReply,
    boxed,
    config_for,
    fake_openai,
    replies,
)

pytestmark = pytest.mark.integration

DISAGREEING = [boxed("4"), boxed("5"), boxed("4"), boxed("6")]
AGREEING = replies(small=boxed("4"))


def ids(log: RequestLog) -> list[str]:
    return [CIMultiDict(headers)["X-Request-Id"] for headers in log.headers]


def named(name: str) -> Any:
    return {"configurable": {REQUEST_ID_KEY: name}}


def test_overrides_apply_to_one_question_only() -> None:
    overrides = {"explorer.samples": 2, "explorer": {"sampling": {"temperature": 0.9, "seed": 40}}}
    with fake_openai(AGREEING) as server:
        solver = A2R(config_for(server.url))
        assert len(solver.ask("2+2?", overrides=overrides).samples) == 2
        assert len(solver.ask("2+2?").samples) == 4
    requests = server.request_log.requests
    assert [request["temperature"] for request in requests] == [0.9] * 2 + [0.5] * 4
    assert sorted(request["seed"] for request in requests[:2]) == [40, 41]
    assert sorted(request["seed"] for request in requests[2:]) == [0, 1, 2, 3]
    assert solver.config.config.explorer.samples == 4


async def test_concurrent_questions_have_separate_overrides() -> None:
    with fake_openai(AGREEING) as server:
        solver = A2R(config_for(server.url))
        results = await asyncio.gather(
            *(
                solver.aask(f"q{n}", overrides={"explorer.samples": n, "gate.rule": "never"})
                for n in range(2, 30)
            )
        )
    assert [len(result.samples) for result in results] == list(range(2, 30))
    assert solver.usage.total.calls == sum(range(2, 30))


async def test_more_overrides_than_are_cached() -> None:
    with fake_openai(AGREEING) as server:
        solver = A2R(config_for(server.url, explorer__samples=2))
        for turn in range(300):
            overrides = {"explorer.sampling.seed": turn * 10, "explorer.sampling.top_p": 0.5}
            await solver.aask("2+2?", overrides=overrides)
    assert {request["seed"] for request in server.request_log.requests[-2:]} == {2990, 2991}


async def test_a_streamed_question_has_overrides_too() -> None:
    with fake_openai(AGREEING) as server:
        solver = A2R(config_for(server.url))
        events = [e async for e in solver.astream("2+2?", overrides={"explorer.samples": 3})]
    assert sum(isinstance(event, SampleFinished) for event in events) == 3
    assert isinstance(events[-1], RunFinished)


async def test_closing_a_stream_cancels_its_calls() -> None:
    says = [boxed("4"), ScriptedReply(hang=True)]
    with fake_openai(replies(small=says)) as server:
        events = A2R(config_for(server.url)).astream("2+2?")
        async for event in events:
            if isinstance(event, SampleFinished):
                break
        await server.request_log.until(lambda log: log.outstanding == 3)
        await events.aclose()
        await server.request_log.until(lambda log: log.outstanding == 0)
        assert server.request_log.cancelled == 3


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"explorer.nope": 1}, "nope"),
        ({"explorer.samples": 0}, "explorer.samples"),
        ({"explorer.samples": True}, "explorer.samples"),
        ({"graph": "self_consistency"}, "graph"),
        ({"answers.response_format": {"type": "text"}}, "response_format"),
        ({"explorer.sampling.extra_body": {"x": {1}}}, "JSON"),
        ({1: 2, "explorer.samples": 3}, "1"),
    ],
)
def test_an_invalid_override_is_rejected_before_any_request(
    overrides: dict[Any, Any], message: str
) -> None:
    with fake_openai(AGREEING) as server:
        with pytest.raises(ConfigError, match=message):
            A2R(config_for(server.url)).ask("2+2?", overrides=overrides)
        assert server.request_log.requests == []


def test_overrides_with_a_store(tmp_path: Path) -> None:
    with fake_openai(AGREEING) as server:
        solver = A2R(config_for(server.url), checkpointer=tmp_path / "runs.sqlite")
        config: Any = {"configurable": {"thread_id": "t"}}
        assert len(solver.ask("2+2?", config, overrides={"explorer.samples": 2}).samples) == 2


def test_batch_results_are_in_the_order_of_the_questions() -> None:
    def script(body: dict[str, Any], _: int) -> ScriptedReply:
        return boxed(body["messages"][-1]["content"].partition("\n")[0].removeprefix("n="))

    with fake_openai(script) as server:
        solver = A2R(config_for(server.url, explorer__concurrency=3))
        results = solver.batch([f"n={n}" for n in range(20)], overrides={"explorer.samples": 2})
        assert solver.batch([]) == []
    assert [result.answer for result in results if not isinstance(result, Exception)] == [
        str(n) for n in range(20)
    ]
    assert len(server.request_log.requests) == 40
    assert server.request_log.peak <= 3


async def test_a_batch_can_return_errors_in_order() -> None:
    def script(body: dict[str, Any], _: int) -> ScriptedReply:
        return (
            ScriptedReply(status=400) if "fails" in body["messages"][-1]["content"] else boxed("4")
        )

    with fake_openai(script) as server:
        solver = A2R(config_for(server.url))
        questions = ["2+2?", "", "it fails", "1+3?"]
        first, empty, failed, last = await solver.abatch(questions, return_exceptions=True)
    assert isinstance(empty, QuestionError)
    assert isinstance(failed, NoAnswerError)
    assert [getattr(result, "answer", None) for result in (first, last)] == ["4", "4"]


async def test_a_batch_raises_the_first_error_and_cancels_the_rest() -> None:
    def script(body: dict[str, Any], _: int) -> ScriptedReply:
        fails = "fails" in body["messages"][-1]["content"]
        return ScriptedReply(status=400) if fails else ScriptedReply(hang=True)

    with fake_openai(script) as server:
        solver = A2R(config_for(server.url, explorer__samples=2))
        with pytest.raises(A2RError) as raised:
            await solver.abatch(["it hangs", "it fails"])
        assert isinstance(raised.value, NoAnswerError)
        await server.request_log.until(lambda log: log.outstanding == 0)


def test_a_batch_is_not_persisted(tmp_path: Path) -> None:
    with fake_openai(AGREEING) as server:
        solver = A2R(config_for(server.url), checkpointer=tmp_path / "runs.sqlite")
        assert len(solver.batch(["a?", "b?"])) == 2
    assert not (tmp_path / "runs.sqlite").exists()


def test_a_workflow_shares_its_models() -> None:
    with fake_openai(AGREEING) as server:
        first = A2R(config_for(server.url))
        voting = {"graph": "self_consistency", "explorer.samples": 2}
        second, third = A2R(first.workflow), A2R(first.workflow, overrides=voting)
        assert (second.config, third.config.config.graph) == (first.config, "self_consistency")
        second.ask("2+2?")
        assert len(third.ask("2+2?").samples) == 2
        assert first.usage.total.calls == third.usage.total.calls == 6
        assert first.workflow.models.load_balancer is third.workflow.models.load_balancer
        assert first.config.config.graph == "a2r"
    with pytest.raises(ConfigError, match="nope"):
        A2R(first.workflow, overrides={"nope": 1})


def test_every_request_has_a_unique_id() -> None:
    script = replies(small=DISAGREEING, big=boxed("5"))
    with fake_openai(script) as server:
        solver = A2R(config_for(server.url, synthesizer__samples=3))
        results = [solver.ask("2+2?"), solver.ask("2+2?")]
    run = results[0].run_id
    expected = [f"{run}-sample-{n}" for n in range(4)] + [f"{run}-synthesis-{n}" for n in range(3)]
    assert sorted(ids(server.request_log)[:7]) == expected
    assert len(set(ids(server.request_log))) == 14


def test_the_request_id_of_the_caller_is_the_prefix() -> None:
    with fake_openai(replies(small=DISAGREEING, big=boxed("5"))) as server:
        A2R(config_for(server.url)).ask("2+2?", named("req-7"))
    assert len(set(ids(server.request_log))) == 5
    assert all(name.startswith("req-7-") for name in ids(server.request_log))


def test_two_runs_with_the_same_caller_id_have_different_ids() -> None:
    # An agent that uses the tool twice within one request of the caller.
    with fake_openai(AGREEING) as server:
        solver = A2R(config_for(server.url))
        solver.ask("2+2?", named("req"))
        solver.ask("3+3?", named("req"))
    assert len(set(ids(server.request_log))) == 8


@pytest.mark.parametrize("callbacks", [False, True])
def test_a_retry_has_a_new_id(callbacks: bool) -> None:
    def script(body: dict[str, Any], number: int) -> ScriptedReply:
        if body["model"] == "big":
            return boxed("5") if number > 8 else ScriptedReply(text="Broken off", reset=True)
        return ScriptedReply(status=500) if number < 4 else DISAGREEING[body["seed"]]

    config = named("req") | ({"callbacks": [AsyncCallbackHandler()]} if callbacks else {})
    with fake_openai(script) as server:
        A2R(config_for(server.url)).ask("2+2?", config)
    request_ids = ids(server.request_log)
    assert len(set(request_ids)) == len(request_ids) == 10
    assert all(name.startswith("req-") for name in request_ids)
    calls = {name.partition("-again-")[0] for name in request_ids if "-again-" in name}
    expected = {*(f"sample-{n}" for n in range(4)), "synthesis-0"}
    assert {"-".join(call.split("-")[-2:]) for call in calls} == expected


async def test_a_synthesis_with_truncated_references_has_a_new_id() -> None:
    long = [ScriptedReply(text=f"{'Words. ' * 300}\n\\boxed{{{n}}}") for n in range(4)]
    with fake_openai(replies(small=long, big=boxed("5")), context=1500) as server:
        result = await A2R(config_for(server.url)).aask("2+2?")
    assert result.method == "synthesized"
    assert len(server.request_log.calls("big")) > 1
    assert len(set(ids(server.request_log))) == len(server.request_log.requests)


@pytest.mark.parametrize("name", ["a\nb", "a\r\nX-Evil: 1", "\x00", "x" * 10_000])
def test_an_invalid_request_id_is_not_sent(name: str) -> None:
    with fake_openai(AGREEING) as server:
        solver = A2R(config_for(server.url))
        try:
            assert solver.ask("2+2?", named(name)).answer == "4"
        except ConfigError:
            assert server.request_log.requests == []
    assert not any("X-Evil" in headers for headers in server.request_log.headers)


@pytest.mark.parametrize(
    ("changes", "result"),
    [
        ({}, [True]),
        ({"synthesizer__samples": 2}, [False, False]),
        ({"graph": "select"}, [False]),
        ({"graph": "rounds", "synthesis__rounds": [2, 1]}, [False, False, True]),
        ({"graph": "rounds", "synthesis__rounds": [1, 2]}, [False, False, False]),
        ({"synthesis__rounds": [1, 2]}, [True]),
    ],
)
async def test_synthesis_events_say_whether_they_can_be_the_result(
    changes: dict[str, Any], result: list[bool]
) -> None:
    big = ScriptedReply(text="Judgment: 1 \\boxed{5}")
    with fake_openai(replies(small=DISAGREEING, big=big)) as server:
        events = [e async for e in A2R(config_for(server.url, **changes)).astream("2+2?")]
    assert [e.result for e in events if isinstance(e, SynthesisStarted)] == result
