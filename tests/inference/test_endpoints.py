"""Faults of endpoints: the resulting samples, and the recorded usage."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import ExitStack
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler

from a2r import A2R
from a2r.errors import NoAnswerError
from a2r.inference.cancel_token import CancelToken
from a2r.inference.types import CallProgress, Request
from tests.fault_server import Behavior, FaultServer, Rule, Scenario
from tests.support.endpoint_samples import (
    GOOD,
    TEXT,
    ask,
    behavior_with,
    config_over,
    first_requests,
    one_sample,
)

pytestmark = pytest.mark.integration


PASSING = [
    behavior_with(status=500),
    behavior_with(status=503),
    behavior_with(status=502, error_shape="text"),
    behavior_with(status=408),
    behavior_with(status=409),
    behavior_with(status=425),
    behavior_with(status=429),
    behavior_with(reset="before_reply"),
    behavior_with(reset=3),
    behavior_with(truncate="body"),
    behavior_with(truncate="connection"),
    behavior_with(stream_error=2),
    behavior_with(hang="before_headers"),
    behavior_with(hang=3),
]


PASSING_IN_STREAMS = [
    behavior_with(malformed=2),
    behavior_with(finish_reason=None, done=False),
    behavior_with(finish_reason="error"),
    behavior_with(endless="comments"),
]


@pytest.mark.parametrize(
    ("fault", "streamed"),
    [(fault, streamed) for fault in PASSING for streamed in (True, False)]
    + [(fault, True) for fault in PASSING_IN_STREAMS],
    ids=lambda value: value.label if isinstance(value, Behavior) else str(value),
)
async def test_transient_errors_are_retried_and_all_calls_counted(
    fault: Behavior, streamed: bool
) -> None:
    with FaultServer(first_requests(fault, count=2)) as server:
        deadline = {"call": 0.7, "idle": 0.5}
        result = await ask(config_over(server, stream=streamed, deadline=deadline))
        await server.request_log.until(lambda log: log.outstanding == 0)
        assert [sample.answer for sample in result.samples] == ["42"] * 4
        assert result.usage.total.calls == server.request_log.arrived == 6


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 422])
async def test_permanent_errors_are_not_retried(status: int) -> None:
    with FaultServer(behavior_with(status=status, error="this is why")) as server:
        result = await ask(config_over(server))
        assert server.request_log.arrived == result.usage.total.calls == 4
    for sample in result.samples:
        assert (sample.status, sample.error_type) == ("failed", "rejected")
        assert f"HTTP {status}: this is why" in (sample.error or "")
    # A rejected request uses no tokens, which is exact.
    assert result.usage.total.completion_tokens == 0
    assert not result.usage.total.estimated


async def test_an_unknown_model_lists_the_served_models() -> None:
    with FaultServer(GOOD, models=("qwen", "llama")) as server:
        result = await ask(config_over(server, model="qwne"))
    assert "model 'qwne' not served (available: qwen, llama)" in (result.samples[0].error or "")


async def test_a_context_overflow_reports_the_excess() -> None:
    limit = "the maximum context length is 50 tokens, your prompt has at least 51 input tokens"
    with FaultServer(behavior_with(status=400, error=limit), max_model_len=50) as server:
        result = await ask(config_over(server, samples=1), "word " * 200)
    sample = result.samples[0]
    assert sample.error_type == "context_overflow"
    assert "too long by" in (sample.error or "")
    assert "the context 50" in (sample.error or "")


@pytest.mark.parametrize("suffix", ["/chat/completions", "#top", "/", "?version=1"])
async def test_an_endpoint_with_a_suffix_works(suffix: str) -> None:
    with FaultServer(GOOD) as server:
        config = config_over(server, endpoints=[server.url + suffix])
        result = await ask(config)
    assert [sample.answer for sample in result.samples] == ["42"] * 4


@pytest.mark.parametrize("usage", ["missing", "zero", {"prompt_tokens": "x"}])
async def test_a_missing_or_invalid_usage_is_estimated(usage: Any) -> None:
    sample = await one_sample(behavior_with(usage=usage))
    assert sample.answer == "42"
    assert sample.usage.estimated
    assert (sample.usage.completion_tokens or 0) > 0
    assert (sample.usage.prompt_tokens or 0) > 0


def without_continuous_usage(body: dict[str, Any], _: int) -> Behavior:
    """A script without support for `continuous_usage_stats`, like OpenAI's API."""
    if "continuous_usage_stats" in body.get("stream_options", {}):
        return behavior_with(
            status=400, error="Unknown parameter: 'stream_options.continuous_usage_stats'"
        )
    return GOOD


async def test_unsupported_stream_options_are_dropped() -> None:
    with FaultServer(without_continuous_usage) as server:
        solver = A2R(config_over(server, retries=0))
        first_result = await solver.aask("6 times 7?")
        second = await solver.aask("6 times 7?")
        assert server.request_log.arrived == 12
    assert (first_result.usage.total.calls, second.usage.total.calls) == (8, 4)
    assert not second.usage.total.estimated


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_retry_after_in_seconds_and_as_a_date(form: Any) -> None:
    wait = 0.4 if form == "seconds" else 2
    busy = behavior_with(status=429, retry_after=wait, retry_after_as=form)
    with FaultServer(first_requests(busy, count=2)) as server:
        result = await ask(config_over(server, samples=2))
        records = server.request_log.records
        assert result.usage.total.calls == server.request_log.arrived == 4
        # A date has whole seconds.
        pause = records[2].start - max(record.end or 0 for record in records[:2])
    assert pause >= (wait if form == "seconds" else 0.5) * 0.9


async def test_a_hanging_request_times_out_and_is_retried_elsewhere() -> None:
    hang = behavior_with(hang="before_headers")
    with FaultServer(hang) as stuck, FaultServer(GOOD) as good:
        config = config_over(stuck, good, deadline={"call": 0.5})
        result = await ask(config)
        await stuck.request_log.until(lambda log: log.outstanding == 0)
        assert result.usage.total.calls == stuck.request_log.arrived + good.request_log.arrived
        assert stuck.request_log.cancelled == stuck.request_log.arrived
    assert {sample.endpoint for sample in result.samples} == {good.url}


async def test_the_sample_deadline_ends_waits_and_retries() -> None:
    with FaultServer(behavior_with(status=500)) as server:
        config = config_over(server, samples=1, retries=1000, deadline={"sample": 0.7})
        result = await ask(config)
        assert result.usage.total.calls == server.request_log.arrived
    [sample] = result.samples
    assert (sample.status, sample.error_type) == ("failed", "deadline")
    assert "the sample's deadline passed; before that: HTTP 500" in (sample.error or "")


async def test_a_timeout_counts_the_last_reported_usage() -> None:
    slow = Behavior(text="word " * 1000, token_delay=0.02)
    with FaultServer(slow) as server:
        result = await ask(config_over(server, deadline={"question": 1}))
        await server.request_log.until(lambda log: log.outstanding == 0)
        records = server.request_log.records
        assert server.request_log.cancelled == 4
    reported = sum(record.last_reported_tokens or 0 for record in records)
    assert {sample.status for sample in result.samples} == {"cancelled"}
    assert result.usage.total.estimated
    # Some tokens may be in transit at the timeout.
    assert 0.9 * reported <= (result.usage.total.completion_tokens or 0) <= reported
    assert result.usage.total.prompt_tokens == sum(record.prompt_tokens for record in records)


async def test_the_prompts_of_failed_requests_are_counted_once_they_are_known() -> None:
    crash = behavior_with(
        events=['data: {"error": {"message": "crash"}}'], only_events=True, done=False
    )
    price = {"input": 1.0, "output": 2.0}
    with FaultServer(first_requests(crash, count=2)) as server:
        config = config_over(server, samples=1, price=price)
        result = await ask(config, "What is six times seven, written as one number?")
        log = server.request_log
        counts = (log.arrived, log.prompt_tokens, log.generated)
    (sample,) = result.samples
    for usage in (sample.usage, result.usage.total):
        assert (usage.calls, usage.prompt_tokens, usage.completion_tokens) == counts
        assert usage.cost == pytest.approx((counts[1] + 2 * counts[2]) / 1e6)
        assert usage.estimated


@pytest.mark.parametrize(
    ("behavior", "status", "tokens"),
    [
        (behavior_with(token_delay=0.02), "answered", 8),
        (behavior_with(token_delay=0.02, truncate="connection"), "cancelled", 4),
    ],
    ids=["complete", "incomplete"],
)
async def test_tokens_that_arrive_together_with_a_cut_are_counted(
    behavior: Behavior, status: str, tokens: int
) -> None:
    token = CancelToken()
    with FaultServer(behavior) as server:

        def cut_when_sent(_: CallProgress) -> None:
            # The loop is blocked until the server has sent the rest: the cut and the rest of the
            # reply then reach the call in the same step.
            server.request_log.wait(lambda log: log.outstanding == 0)
            token.cancel("enough")

        reply = await A2R(config_over(server, retries=0)).workflow.models.complete(
            Request(
                role="explorer",
                messages=[{"role": "user", "content": "6 times 7?"}],
                seed=None,
                timeout=60,
                cancel_token=token,
            ),
            cut_when_sent,
        )
        [record] = server.request_log.records
    assert (reply.status, reply.usage.completion_tokens) == (status, tokens)
    assert record.last_reported_tokens == tokens
    assert reply.usage.estimated == (status == "cancelled")


async def test_a_cancelled_run_is_in_the_ledger() -> None:
    slow = Behavior(text="word " * 1000, token_delay=0.02)
    with FaultServer(slow) as server:
        solver = A2R(config_over(server))
        task = asyncio.create_task(solver.aask("6 times 7?"))
        await server.request_log.until(lambda log: log.generated >= 40)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.request_log.until(lambda log: log.outstanding == 0)
        assert server.request_log.cancelled == 4
        reported = sum(record.last_reported_tokens or 0 for record in server.request_log.records)
    spent = solver.usage.total
    assert spent.calls == 4
    assert spent.estimated
    assert reported - 4 <= (spent.completion_tokens or 0) <= reported


async def test_an_endpoint_that_dies_loses_no_question_and_recovers() -> None:
    slow = Behavior(text=TEXT, tokens=8, token_delay=0.01)
    with FaultServer(slow) as mortal, FaultServer(slow) as other:
        solver = A2R(config_over(mortal, other, samples=4, concurrency=8))
        questions = [asyncio.create_task(solver.aask(f"6 times {n}?")) for n in range(30)]
        await mortal.request_log.until(lambda log: log.arrived >= 20)
        mortal.kill()
        results = await asyncio.gather(*questions)
        assert all(result.answer == "42" for result in results)
        before = mortal.request_log.arrived
        mortal.revive()
        while mortal.request_log.arrived == before:
            assert (await solver.aask("6 times 7?")).answer == "42"
        assert max(mortal.request_log.peak, other.request_log.peak) <= 8
        for server in (mortal, other):
            await server.request_log.until(lambda log: log.outstanding == 0)
        calls = solver.usage.total.calls
        assert calls == mortal.request_log.arrived + other.request_log.arrived


@pytest.mark.parametrize("followed", [True, False])
async def test_a_trial_does_not_hold_up_the_calls_behind_it(followed: bool) -> None:
    crash = Rule(behavior=behavior_with(status=500), first=16)
    # The trial has sent its first piece, and continues until it is cancelled.
    endless = Rule(behavior=behavior_with(hang=1), between=(16, 16))
    with FaultServer(Scenario(default=GOOD, rules=(crash, endless))) as server:
        solver = A2R(config_over(server, samples=16, deadline={"idle": 4}))
        if followed:
            events = [event async for event in solver.astream("6 times 7?")]
            result = events[-1].result  # type: ignore[union-attr]
        else:
            result = await solver.aask("6 times 7?")
        trial, *others = server.request_log.records[16:]
    assert [sample.answer for sample in result.samples] == ["42"] * 16
    assert trial.end is not None
    assert sum(record.start < trial.end for record in others) == 15


async def test_calls_wait_while_the_only_endpoint_restarts() -> None:
    slow = Behavior(text=TEXT, tokens=8, token_delay=0.02)
    with FaultServer(slow) as server:
        solver = A2R(config_over(server))
        assert (await solver.aask("6 times 7?")).answer == "42"
        task = asyncio.create_task(solver.aask("7 times 6?"))
        await server.request_log.until(lambda log: log.arrived >= 6)
        server.kill()
        done, _ = await asyncio.wait([task], timeout=1.5)
        assert not done
        server.revive()
        assert (await task).answer == "42"


async def test_samples_of_a_question_share_a_prefix_cache() -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(FaultServer(GOOD)) for _ in range(3)]
        solver = A2R(config_over(*servers, samples=8))
        results = [await solver.aask(f"{'Long story. ' * 40}{n} times 7?") for n in range(6)]
        places = [{sample.endpoint for sample in result.samples} for result in results]
        assert all(len(endpoints) == 1 for endpoints in places)
        assert len({next(iter(endpoints)) for endpoints in places}) == 3
        hits = sum(model.cache_hits for s in servers for model in s.request_log.models.values())
        assert hits > 0


async def test_weights_distribute_the_calls() -> None:
    slow = Behavior(text=TEXT, tokens=4, token_delay=0.02)
    with FaultServer(slow) as weak, FaultServer(slow) as strong:
        solver = A2R(config_over(weak, strong, samples=2, weights=[1, 3]))
        await asyncio.gather(*(solver.aask(f"{n} times 7?") for n in range(40)))
        assert weak.request_log.arrived + strong.request_log.arrived == 80
        assert 1.5 <= strong.request_log.arrived / weak.request_log.arrived <= 6


async def test_an_overloaded_endpoint_gets_fewer_requests() -> None:
    """A server that rejects more than ten concurrent requests."""
    server: FaultServer

    def script(_: dict[str, Any], __: int) -> Behavior:
        if server.request_log.outstanding > 10:
            return behavior_with(status=429)
        return behavior_with(token_delay=0.01)

    with FaultServer(script) as server:
        solver = A2R(config_over(server, samples=8, concurrency=100, retries=0))
        results = await asyncio.gather(*(solver.aask(f"{n} times 7?") for n in range(40)))
        counts = Counter(record.status for record in server.request_log.records)
        assert solver.usage.total.calls == server.request_log.arrived
    assert all(result.answer == "42" for result in results)
    assert counts[200] == 320
    # Without an adaptive limit, a hundred concurrent requests would be rejected repeatedly.
    assert counts[429] < counts[200]


async def test_requests_are_the_same_with_and_without_callbacks() -> None:
    class Listener(BaseCallbackHandler):
        response = 0

        def on_chat_model_start(self, *_: Any, **__: Any) -> None:
            type(self).response += 1

    sampling = {"temperature": 0.5, "top_p": 0.9, "max_tokens": 64, "extra_body": {"top_k": 20}}
    with FaultServer(GOOD) as server:
        solver = A2R(config_over(server, samples=2, sampling=sampling))
        await solver.aask("6 times 7?")
        await solver.aask("6 times 7?", {"callbacks": [Listener()]})
        bodies = sorted(server.request_log.requests, key=lambda body: int(body["seed"]))
    assert Listener.response == 2
    assert bodies[0] == bodies[1]
    assert bodies[2] == bodies[3]
    assert (bodies[0]["top_k"], bodies[0]["max_tokens"], bodies[0]["stream"]) == (20, 64, True)


async def test_retry_after_zero_still_backs_off() -> None:
    busy = behavior_with(status=429, headers={"Retry-After": "0"})
    with FaultServer(busy) as server:
        result = await ask(config_over(server, deadline={"call": 1.5}))
        assert server.request_log.arrived == result.usage.total.calls
        # Without backoff there would be thousands.
        assert server.request_log.arrived < 100
    assert {sample.error_type for sample in result.samples} == {"rate_limited"}


async def test_a_restart_loses_no_sample_with_replies_longer_than_the_wait_timeout() -> None:
    slow = behavior_with(first_token_delay=1.2)
    with FaultServer(slow) as server:
        solver = A2R(config_over(server, deadline={"call": 2}))
        await solver.aask("6 times 7?")
        server.kill()
        asking = asyncio.create_task(solver.aask("7 times 6?"))
        done, _ = await asyncio.wait([asking], timeout=0.5)
        assert not done
        server.revive()
        result = await asking
    assert [sample.status for sample in result.samples] == ["answered"] * 4


async def test_cancelled_runs_do_not_block_the_next_one() -> None:
    with FaultServer(behavior_with(hang="before_headers")) as server:
        solver = A2R(config_over(server, concurrency=2))
        tasks = [asyncio.create_task(solver.aask(f"{n} times 7?")) for n in range(40)]
        await server.request_log.until(lambda log: log.outstanding == 2)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        server.script = GOOD
        async with asyncio.timeout(5):
            assert (await solver.aask("6 times 7?")).answer == "42"


async def test_an_exception_in_a_callback_is_an_internal_error() -> None:
    class Raising(BaseCallbackHandler):
        raise_error = True

        def on_chat_model_start(self, *_: Any, **__: Any) -> None:
            raise ValueError("a bug of mine")

    with FaultServer(GOOD) as server:
        solver = A2R(config_over(server))
        with pytest.raises(NoAnswerError, match="a bug of mine") as caught:
            await solver.aask("6 times 7?", {"callbacks": [Raising()]})
        assert {sample.error_type for sample in caught.value.result.samples} == {"internal"}
        assert server.request_log.arrived == 0
        assert (await solver.aask("6 times 7?")).answer == "42"


async def test_a_redirect_names_its_target() -> None:
    moved = behavior_with(status=307, headers={"Location": "https://elsewhere/v1"})
    with FaultServer(moved) as server:
        result = await ask(config_over(server, samples=1))
    assert "redirect to https://elsewhere/v1" in (result.samples[0].error or "")


async def test_connections_are_closed_with_the_solver() -> None:
    with FaultServer(GOOD) as server:
        async with A2R(config_over(server)) as solver:
            await solver.aask("6 times 7?")
            assert server.request_log.open_connections == 4
        await server.request_log.until(lambda log: log.open_connections == 0, seconds=2)
        # The solver can still be used.
        assert (await solver.aask("6 times 7?")).answer == "42"
