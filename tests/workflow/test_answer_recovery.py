"""`answers.recover`: a further request for the answer of a finished sample without one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler

from a2r import A2R
from a2r.events import RecoveryFinished, RunFinished, SampleFinished
from a2r.result import Result
from a2r.workflow.answer_recovery import CUE, INSTRUCTIONS
from a2r.workflow.graph_loader import graph_names
from tests.fault_server import Behavior, FaultServer
from tests.support.fake_openai import config_for

pytestmark = pytest.mark.integration

QUESTION = "What is 12 + 30?"
OPTIONS = "Which city is the capital of France?\nA) Rome\nB) Paris\nC) Oslo"
UNDECIDED = Behavior(text="Both numbers are even. I have added them.")
Replies = Callable[[dict[str, Any]], Behavior]


def boxed(answer: str) -> Behavior:
    return Behavior(text=f"So it is \\boxed{{{answer}}}.")


def is_recovery(body: dict[str, Any]) -> bool:
    """Whether a request continues the reply of a sample, in either way."""
    return any(message["role"] == "assistant" for message in body["messages"])


def script(recovery: Behavior | Replies, **samples: Behavior) -> Callable[..., Behavior]:
    """Undecided samples, but for those given by seed (`s1`); `recovery` replies to the further
    requests.
    """

    def reply(body: dict[str, Any], _: int) -> Behavior:
        if body["model"] == "big":
            return boxed("41")
        if is_recovery(body):
            return recovery if isinstance(recovery, Behavior) else recovery(body)
        return samples.get(f"s{body.get('seed')}", UNDECIDED)

    return reply


def config(server: FaultServer, **changes: Any) -> dict[str, Any]:
    return config_for(server.url, **{"answers__recover": True, "explorer__samples": 2, **changes})


def recoveries(server: FaultServer) -> list[dict[str, Any]]:
    return [body for body in server.request_log.requests if is_recovery(body)]


def check_usage(result: Result, server: FaultServer) -> None:
    """Every request and token of the server's log is in the result, and in the ledger's sum."""
    total, log = result.usage.total, server.request_log
    assert total.calls == log.arrived
    assert (total.prompt_tokens, total.completion_tokens) == (log.prompt_tokens, log.generated)


def test_a_recovered_answer_votes_and_counts() -> None:
    with FaultServer(script(Behavior(text=" 42."))) as server:
        solver = A2R(config(server, explorer__price={"input": 1.0, "output": 2.0}))
        result = solver.ask(QUESTION)
        check_usage(result, server)
        assert solver.usage == result.usage
        requests = recoveries(server)
    assert (result.answer, result.method) == ("42", "unanimous")
    for sample, body in zip(result.samples, requests, strict=True):
        assert (sample.status, sample.answer, sample.extraction_method) == (
            *("answered", "42"),
            "phrase",
        )
        assert sample.text == f"{UNDECIDED.text}{CUE} 42."
        assert sample.finish_reason == "stop"
        assert sample.recovery is not None
        assert (sample.recovery.status, sample.recovery.text) == ("answered", "42.")
        assert (sample.usage.calls, sample.recovery.usage.calls) == (2, 1)
        # Continued with its own text, greedily, in at most 64 tokens.
        assert body["messages"][-1] == {"role": "assistant", "content": UNDECIDED.text + CUE}
        assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)
        assert (body["temperature"], body["max_tokens"]) == (0, 64)
    assert {body["seed"] for body in requests} == {0, 1}
    assert result.text == result.samples[0].text
    assert result.usage.total.cost is not None


def test_a_sample_with_an_answer_or_a_cut_one_makes_no_further_request() -> None:
    cut = Behavior(text="Both numbers are even.", finish_reason="length")
    thinking = Behavior(reasoning="Hm, 42.", tokens=0)
    failed = Behavior(status=400, error="no")
    replies = script(Behavior(text="1"), s0=boxed("42"), s1=cut, s2=thinking, s3=failed)
    with FaultServer(replies) as server:
        result = A2R(config(server, explorer__samples=4)).ask(QUESTION)
        assert recoveries(server) == []
    statuses = ["answered", "truncated", "abstained", "failed"]
    assert [sample.status for sample in result.samples] == statuses
    assert {sample.recovery for sample in result.samples} == {None}


def test_without_the_setting_a_sample_stays_without_an_answer() -> None:
    with FaultServer(script(Behavior(text=" 42."))) as server:
        result = A2R(config(server, answers__recover=False)).ask(QUESTION)
        overridden = A2R(config(server, answers__recover=False)).ask(
            QUESTION, overrides={"answers.recover": True}
        )
    assert {sample.status for sample in result.samples} == {"abstained"}
    assert {sample.answer for sample in overridden.samples} == {"42"}


@pytest.mark.parametrize("kind", ["text", "json", "code"])
def test_kinds_without_a_short_answer_are_not_recovered(kind: str) -> None:
    with FaultServer(script(Behavior(text=" 42."))) as server:
        result = A2R(config(server, kind=kind)).ask(QUESTION)
        assert recoveries(server) == []
    assert {sample.status for sample in result.samples} == {"abstained"}


@pytest.mark.parametrize(("reply", "letter"), [(" B", "B"), (" Paris.", "B"), (" Berlin.", None)])
def test_the_kind_of_a_choice_is_inferred(reply: str, letter: str | None) -> None:
    with FaultServer(script(Behavior(text=reply))) as server:
        result = A2R(config(server, kind="auto")).ask(OPTIONS)
        check_usage(result, server)
    assert result.kind == "choice"
    assert {sample.answer for sample in result.samples} == {letter}


def test_a_server_without_the_field_is_asked_in_a_new_turn() -> None:
    with FaultServer(script(Behavior(text="42")), api="openai") as server:
        result = A2R(config(server)).ask(QUESTION)
        requests = recoveries(server)
        # Stream options that OpenAI does not know are rejected once or twice, at the start.
        assert {record.kind for record in server.request_log.records} == {"bad_request", "answer"}
    assert {sample.answer for sample in result.samples} == {"42"}
    for body in requests:
        assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
        assert body["messages"][1]["content"] == UNDECIDED.text
        assert body["messages"][2]["content"] == INSTRUCTIONS["math"]
        assert not {"continue_final_message", "add_generation_prompt"} & body.keys()


def test_a_template_that_cannot_continue_is_asked_in_a_new_turn() -> None:
    error = "continue_final_message is set but the final message does not appear in the chat"

    def recovery(body: dict[str, Any]) -> Behavior:
        if body.get("continue_final_message"):
            return Behavior(status=400, error=error)
        return Behavior(text="42")

    with FaultServer(script(recovery)) as server:
        solver = A2R(config(server, explorer__samples=1))
        results = [solver.ask(QUESTION) for _ in range(2)]
        continued = [body.get("continue_final_message", False) for body in recoveries(server)]
        assert sum(result.usage.total.calls for result in results) == server.request_log.arrived
    assert [result.answer for result in results] == ["42", "42"]
    # The endpoint is not tried again.
    assert continued == [True, False, False]


@pytest.mark.parametrize(
    ("recovery", "status"),
    [
        (Behavior(text="I cannot say."), "abstained"),
        (Behavior(text="The total number of apples", finish_reason="length"), "truncated"),
        (Behavior(status=500, error="broken"), "failed"),
        (Behavior(text="42 is", tokens=5, reset=2), "failed"),
    ],
)
def test_without_an_answer_the_sample_is_unchanged_but_for_its_usage(
    recovery: Behavior, status: str
) -> None:
    with FaultServer(script(recovery)) as server:
        solver = A2R(config(server, explorer__samples=1, explorer__retries=0, synthesizer=None))
        result = solver.ask(QUESTION)
        [sample] = result.samples
        assert sample.usage.calls == server.request_log.arrived == 2
        assert sample.usage.completion_tokens == server.request_log.generated
        assert solver.usage.explorer == sample.usage
    assert (sample.status, sample.answer, sample.text) == ("abstained", None, UNDECIDED.text)
    assert sample.error is None
    assert sample.recovery is not None
    assert sample.recovery.status == status
    assert (sample.recovery.error is None) == (status != "failed")


def test_only_complete_sentences_of_a_cut_reply_count() -> None:
    cut = Behavior(text=" 42. This is because the", finish_reason="length")
    with FaultServer(script(cut)) as server:
        result = A2R(config(server)).ask(QUESTION)
    assert {sample.answer for sample in result.samples} == {"42"}
    assert result.text.endswith(": 42.")


@pytest.mark.parametrize("graph", [name for name in graph_names() if name != "single"])
def test_recovered_answers_vote_in_every_graph(graph: str) -> None:
    with FaultServer(script(Behavior(text=" 42"))) as server:
        # One vote of two decides a vote without synthesis, so the other may be given up.
        result = A2R(config(server, graph=graph, stop__lossless=False)).ask(QUESTION)
        check_usage(result, server)
    assert (result.answer, result.method) == ("42", "unanimous")
    assert [sample.is_recovered for sample in result.samples] == [True, True]
    assert result.clusters[0].samples == [0, 1]


def test_samples_of_every_wave_and_role_are_recovered() -> None:
    def recovery(body: dict[str, Any]) -> Behavior:
        return Behavior(text=" 42" if body["model"] == "big" else f" {body['seed']}")

    def reply(body: dict[str, Any], _: int) -> Behavior:
        return recovery(body) if is_recovery(body) else UNDECIDED

    changes = {"graph": "cascade", "explorer__waves": [1, 2], "explorer__samples": None}
    with FaultServer(reply) as server:
        result = A2R(config(server, **changes, cascade={"waves": [2]})).ask(QUESTION)
        check_usage(result, server)
    assert [(sample.wave, sample.role, sample.answer) for sample in result.samples] == [
        (0, "explorer", "0"),
        (1, "explorer", "1"),
        (1, "explorer", "2"),
        (2, "synthesizer", "42"),
        (2, "synthesizer", "42"),
    ]
    assert result.usage.explorer.calls == 6
    assert result.usage.synthesizer.calls == 4 + len(result.synthesis)


async def test_events_show_a_recovery() -> None:
    with FaultServer(script(Behavior(text=" 42"), s1=boxed("42"))) as server:
        solver = A2R(config(server))
        events = [event async for event in solver.astream(QUESTION)]
    [recovered] = [event for event in events if isinstance(event, RecoveryFinished)]
    assert (recovered.index, recovered.answer, recovered.recovery.status) == (0, "42", "answered")
    finished = [event.sample for event in events if isinstance(event, SampleFinished)]
    by_index = {sample.index: sample for sample in finished}
    assert by_index[0].recovery == recovered.recovery
    assert by_index[0].usage.calls == 2
    assert by_index[1].recovery is None
    assert events.index(recovered) < next(
        number
        for number, event in enumerate(events)
        if isinstance(event, SampleFinished) and event.sample.index == 0
    )
    assert isinstance(events[-1], RunFinished)


def test_callbacks_do_not_change_the_request() -> None:
    with FaultServer(script(Behavior(text=" 42"))) as server:
        result = A2R(config(server)).ask(QUESTION, {"callbacks": [BaseCallbackHandler()]})
        requests = recoveries(server)
    assert result.answer == "42"
    for body in requests:
        assert body["messages"][-1] == {"role": "assistant", "content": UNDECIDED.text + CUE}
        assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)
        assert (body["temperature"], body["max_tokens"]) == (0, 64)


def test_length_settings_of_the_role_do_not_apply() -> None:
    extra = {"max_completion_tokens": 500, "min_tokens": 100, "top_k": 20}
    sampling = {"temperature": 0.5, "max_tokens": 30, "seed": 5, "extra_body": extra}
    with FaultServer(script(Behavior(text=" 42"))) as server:
        A2R(config(server, explorer__sampling=sampling)).ask(QUESTION)
        requests = recoveries(server)
    for body in requests:
        assert (body["max_tokens"], body["top_k"]) == (30, 20)
        assert not {"max_completion_tokens", "min_tokens"} & body.keys()
    assert {body["seed"] for body in requests} == {5, 6}


def test_an_exhausted_budget_refuses_the_further_request() -> None:
    changes = {"explorer__samples": 1, "budget": {"question": {"tokens": 1}}}
    with FaultServer(script(Behavior(text=" 42"))) as server:
        result = A2R(config(server, **changes)).ask(QUESTION)
        assert server.request_log.arrived == result.usage.total.calls == 1
    [sample] = result.samples
    assert sample.status == "abstained"
    assert sample.recovery is not None
    assert (sample.recovery.status, sample.recovery.error_type) == ("cancelled", "budget")
    assert any("some answers were not recovered" in warning for warning in result.warnings)


def test_a_recovery_is_no_further_sample_of_the_budgets() -> None:
    limits = {"samples": 2}
    with FaultServer(script(Behavior(text=" 42"))) as server:
        solver = A2R(config(server, budget={"question": limits, "session": limits}))
        result = solver.ask(QUESTION)
    assert [sample.answer for sample in result.samples] == ["42", "42"]
    assert solver.workflow.models.runs.samples == 2


@pytest.mark.parametrize("limit", ["question", "sample"])
def test_deadlines_include_the_recovery(limit: str) -> None:
    deadline = {"call": 20, "question": 40, limit: 1}
    hanging = Behavior(text=" 42", hang="before_headers")
    changes = {"explorer__samples": 1, "synthesizer": None, "deadline": deadline}
    with FaultServer(script(hanging)) as server:
        result = A2R(config(server, **changes)).ask(QUESTION)
        assert server.request_log.arrived == result.usage.total.calls == 2
    [sample] = result.samples
    assert (sample.status, sample.text) == ("abstained", UNDECIDED.text)
    assert sample.recovery is not None
    assert sample.recovery.error_type == "deadline"
    assert f"the {limit}'s deadline passed" in (sample.recovery.error or "")
    assert (sample.usage.prompt_tokens or 0) > (sample.recovery.usage.prompt_tokens or 0) > 0
    assert sample.usage.estimated


async def test_a_cancelled_run_counts_its_recovery() -> None:
    with FaultServer(script(Behavior(text=" 42", tokens=3, hang=1))) as server:
        solver = A2R(config(server, explorer__samples=1))
        asking = asyncio.create_task(solver.aask(QUESTION))
        await server.request_log.until(lambda log: log.arrived == 2 and log.outstanding == 1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await server.request_log.until(lambda log: log.cancelled == 1)
    assert solver.usage.explorer.calls == 2
    assert solver.usage.explorer.estimated


def test_a_decided_wave_cancels_a_recovery() -> None:
    """Three samples wait on one endpoint until the recovery of the fourth runs on another."""
    recovering = threading.Event()

    def wait(body: dict[str, Any], number: int) -> Behavior:
        assert recovering.wait(30)
        return boxed("42")

    def recover(body: dict[str, Any], number: int) -> Behavior:
        if not is_recovery(body):
            return UNDECIDED
        recovering.set()
        return Behavior(text=" 41", hang="after_headers")

    with FaultServer(wait) as first, FaultServer(recover) as second:
        changes: dict[str, Any] = {"graph": "self_consistency", "explorer__samples": 4}
        endpoints = {"explorer__endpoints": [first.url, second.url], "explorer__concurrency": 3}
        solver = A2R(config(first, **changes, **endpoints))
        result = solver.ask(QUESTION)
        calls = first.request_log.arrived + second.request_log.arrived
    assert solver.usage == result.usage
    assert result.usage.total.calls == calls == 5
    assert (result.answer, result.method, result.agreement) == ("42", "majority", 0.75)
    [last] = [sample for sample in result.samples if sample.status == "abstained"]
    assert last.recovery is not None
    assert (last.recovery.status, last.recovery.error_type) == ("cancelled", "stopped")
    assert last.recovery.usage.calls == 1
