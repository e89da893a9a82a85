"""Faults of endpoints: the resulting samples, and the recorded usage."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler

from a2r import A2R, Result
from a2r.errors import NoAnswerError, UnreachableError
from a2r.inference.cancel_token import CancelToken
from a2r.inference.types import CallProgress, Request
from a2r.result import Sample
from tests.fault_server import Behavior, FaultServer, Rule, Scenario

pytestmark = pytest.mark.integration

TEXT = "So it is \\boxed{42}."
GOOD = Behavior(text=TEXT, tokens=8)


def config_over(*servers: FaultServer, **explorer: Any) -> dict[str, Any]:
    """Return a config whose explorer uses the servers; `deadline` is a config section."""
    deadline = {"call": 20, "question": 60} | explorer.pop("deadline", {})
    return {
        "kind": "math",
        "explorer": {
            "model": "small",
            "endpoints": [server.url for server in servers],
            "samples": 4,
            **explorer,
        },
        "deadline": deadline,
        # All samples finish here, needed for the vote or not.
        "stop": {"lossless": False},
    }


async def ask(config: dict[str, Any], question: str = "6 times 7?") -> Result:
    try:
        return await A2R(config).aask(question)
    except NoAnswerError as error:
        return error.result


async def one_sample(behavior: Behavior, **explorer: Any) -> Sample:
    """Return the only sample of a question, with one behavior for all requests."""
    with FaultServer(behavior) as server:
        result = await ask(config_over(server, samples=1, retries=0, **explorer))
        await server.request_log.until(lambda log: log.outstanding == 0)
    return result.samples[0]


def behavior_with(**changes: Any) -> Behavior:
    return Behavior(**{"text": TEXT, "tokens": 8, **changes})


def first_requests(behavior: Behavior, count: int = 1) -> Scenario:
    """A server whose first requests fail."""
    return Scenario(default=GOOD, rules=(Rule(behavior=behavior, first=count),))


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


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("stop", "answered"),
        ("tool_calls", "answered"),
        ("length", "truncated"),
        ("content_filter", "abstained"),
        ("abort", "cancelled"),
    ],
)
@pytest.mark.parametrize("streamed", [True, False])
async def test_finish_reasons_map_to_statuses(reason: str, status: str, streamed: bool) -> None:
    sample = await one_sample(behavior_with(finish_reason=reason), stream=streamed)
    assert (sample.status, sample.finish_reason) == (status, reason)
    assert (sample.usage.completion_tokens, sample.usage.estimated) == (8, False)


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content", "think"])
@pytest.mark.parametrize("streamed", [True, False])
async def test_reasoning_is_separated_in_every_format(field: Any, streamed: bool) -> None:
    thinking = behavior_with(
        reasoning="Is it \\boxed{9}?", reasoning_field=field, report_reasoning_tokens=True
    )
    sample = await one_sample(thinking, stream=streamed)
    assert (sample.text, sample.answer) == (TEXT, "42")
    assert (sample.reasoning_tokens or 0) > 0


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content", "think"])
@pytest.mark.parametrize(("reason", "status"), [("length", "truncated"), ("stop", "abstained")])
@pytest.mark.parametrize("streamed", [True, False])
async def test_thinking_alone_is_not_a_vote(
    field: Any, reason: str, status: str, streamed: bool
) -> None:
    only = behavior_with(
        text="", reasoning="\\boxed{9}", reasoning_field=field, finish_reason=reason
    )
    sample = await one_sample(only, stream=streamed)
    assert (sample.status, sample.answer, sample.text) == (status, None, "")


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize(
    ("reason", "status", "error_type"),
    [
        ("MAX_TOKENS", "truncated", None),
        ("max_output_tokens", "truncated", None),
        ("SAFETY", "abstained", "content_filter"),
        ("refusal", "abstained", "content_filter"),
        ("", "answered", None),
        (None, "answered", None),
    ],
)
async def test_finish_reasons_of_other_servers(
    reason: str | None, status: str, error_type: str | None, streamed: bool
) -> None:
    behavior = behavior_with(finish_reason=reason)
    with FaultServer(behavior) as server:
        result = await ask(config_over(server, samples=1, stream=streamed))
        assert server.request_log.arrived == 1
    [sample] = result.samples
    assert (sample.status, sample.error_type) == (status, error_type)
    assert sample.finish_reason == (reason or "unstated")
    assert (sample.usage.completion_tokens, sample.usage.estimated) == (8, False)


@pytest.mark.parametrize("streamed", [True, False])
async def test_an_unfinished_text_without_a_finish_reason_is_truncated(streamed: bool) -> None:
    behavior = behavior_with(text="So it is \\boxed{4", finish_reason=None)
    sample = await one_sample(behavior, stream=streamed)
    assert (sample.status, sample.answer) == ("truncated", None)


@pytest.mark.parametrize("streamed", [True, False])
async def test_the_finish_reason_error_is_an_error_of_the_server(streamed: bool) -> None:
    sample = await one_sample(behavior_with(finish_reason="error"), stream=streamed)
    assert (sample.status, sample.error_type) == ("failed", "server_error")
    assert "finish reason error" in (sample.error or "")
    assert sample.usage.completion_tokens == 8


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize(
    ("reply", "status", "error_type", "error"),
    [
        ({}, "abstained", None, "an empty reply (finish reason stop)"),
        ({"finish_reason": None}, "abstained", None, "an empty reply (finish reason unstated)"),
        (
            {"reasoning": "hm"},
            "abstained",
            None,
            "thinking without a text after it (finish reason stop)",
        ),
        (
            {"reasoning": "hm", "finish_reason": "length"},
            "truncated",
            None,
            "thinking without a text after it (finish reason length)",
        ),
        (
            {"message": {"refusal": "I cannot help with that."}},
            "abstained",
            "content_filter",
            "the model refused: I cannot help with that.",
        ),
        (
            {"finish_reason": "SAFETY"},
            "abstained",
            "content_filter",
            "a filter ended the reply (finish reason SAFETY)",
        ),
        (
            {"finish_reason": "refusal", "message": {"refusal": "No."}},
            "abstained",
            "content_filter",
            "a filter ended the reply (finish reason refusal): No.",
        ),
        (
            {"message": {"tool_calls": [{"index": 0}]}, "finish_reason": "tool_calls"},
            "abstained",
            None,
            "a tool call without a text (finish reason tool_calls)",
        ),
        (
            {"text": "So it is \\boxed{4", "finish_reason": ""},
            "truncated",
            None,
            "the server stated no finish reason, and the text is unfinished",
        ),
        (
            {"text": TEXT, "finish_reason": "abort"},
            "cancelled",
            None,
            "the server aborted the request (finish reason abort)",
        ),
        ({"text": TEXT}, "answered", None, None),
    ],
    ids=str,
)
async def test_a_reply_without_a_usable_text_says_what_it_was(
    reply: dict[str, Any], status: str, error_type: str | None, error: str | None, streamed: bool
) -> None:
    sample = await one_sample(Behavior(**reply), stream=streamed)
    assert (sample.status, sample.error_type, sample.error) == (status, error_type, error)


async def test_a_refusal_in_a_part_of_the_content() -> None:
    content = [{"type": "refusal", "refusal": "No."}]
    sample = await one_sample(Behavior(message={"content": content}), stream=False)
    assert sample.error == "the model refused: No."


@pytest.mark.parametrize("suffix", ["/chat/completions", "#top", "/", "?version=1"])
async def test_an_endpoint_with_a_suffix_works(suffix: str) -> None:
    with FaultServer(GOOD) as server:
        config = config_over(server, endpoints=[server.url + suffix])
        result = await ask(config)
    assert [sample.answer for sample in result.samples] == ["42"] * 4


@pytest.mark.parametrize(
    "dress",
    [
        {"line_end": "\r\n"},
        {"line_end": "\r"},
        {"comments": True, "blank_events": True},
        {"coalesce": 5},
        {"write_size": 7, "write_pause": 0.0},
        {"text": "Größe: 四十二 \\boxed{42}", "split_utf8": True, "write_pause": 0.0},
        {"stream_interval": 4},
        {"done": False},
        {"reset": "before_done"},
        {"stream_as_json": True},
        {"text": "", "message": {"content": TEXT}, "tokens": 0},
    ],
    ids=str,
)
@pytest.mark.parametrize("followed", [True, False])
async def test_a_complete_reply_counts_in_every_layout(
    dress: dict[str, Any], followed: bool
) -> None:
    behavior = behavior_with(**dress)
    with FaultServer(behavior) as server:
        solver = A2R(config_over(server, samples=2))
        if followed:
            events = [event async for event in solver.astream("6 times 7?")]
            result = events[-1].result  # type: ignore[union-attr]
        else:
            result = await solver.aask("6 times 7?")
        await server.request_log.until(lambda log: log.outstanding == 0)
        assert server.request_log.arrived == 2
    assert [sample.answer for sample in result.samples] == ["42", "42"]
    assert result.samples[0].text == (behavior.text or TEXT)
    if "text" not in dress:
        assert (result.usage.total.completion_tokens, result.usage.total.estimated) == (16, False)


KEY_ERROR = '{"error":{"message":"Incorrect API key","code":"invalid_api_key"}}'
QUOTA_ERROR = '{"error":{"message":"You exceeded your quota","code":"insufficient_quota"}}'


@pytest.mark.parametrize(
    ("error", "message"), [(KEY_ERROR, "Incorrect API key"), (QUOTA_ERROR, "no quota left")]
)
@pytest.mark.parametrize("form", ["data: {}", "error: {}", "event: error\ndata: {}", "{}", ""])
async def test_permanent_errors_inside_a_200_are_not_retried(
    error: str, message: str, form: str
) -> None:
    event = form.replace("{}", error)
    behavior = behavior_with(
        events=[event], only_events=bool(form), stream_as_json=not form, body=error, done=False
    )
    with FaultServer(behavior) as server:
        result = await ask(config_over(server))
        assert server.request_log.arrived == 4
    for sample in result.samples:
        assert (sample.status, sample.error_type) == ("failed", "rejected")
        assert message in (sample.error or "")
        assert sample.usage.completion_tokens == 0


@pytest.mark.parametrize("status", [429, 503])
async def test_an_account_without_quota_fails_at_once(status: int) -> None:
    error = {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}
    with FaultServer(behavior_with(status=status, error=error)) as server:
        result = await ask(config_over(server))
        assert server.request_log.arrived == 4
    assert {sample.error_type for sample in result.samples} == {"rejected"}


async def test_a_context_overflow_inside_a_200_is_retried_with_a_shorter_reply() -> None:
    message = (
        "This model's maximum context length is 2048 tokens. However, you requested 3000 tokens "
        "(1000 in the messages, 2000 in the completion)."
    )
    overflow = behavior_with(
        events=[f'data: {{"error":{{"message":"{message}","type":"BadRequestError"}}}}'],
        only_events=True,
    )
    with FaultServer(first_requests(overflow)) as server:
        config = config_over(server, samples=1, sampling={"max_tokens": 2000})
        result = await ask(config)
        limits = [body["max_tokens"] for body in server.request_log.requests]
    assert limits == [2000, 1048]
    assert result.samples[0].answer == "42"


OTHER_EVENTS = [
    'data: {"type":"ping"}',
    "event: ping\ndata: {}",
    "data: ping",
    'data: {"sources":[{"title":"t"}]}',
    'data: {"id":"x","choices":null}',
    'data: {"id":"x","choices":[]}',
]


@pytest.mark.parametrize("event", OTHER_EVENTS)
async def test_events_without_choices_cost_nothing(event: str) -> None:
    behavior = behavior_with(events=[event], bare_end=True)
    with FaultServer(behavior) as server:
        result = await ask(config_over(server))
        assert server.request_log.arrived == 4
        assert result.usage.total.completion_tokens == server.request_log.generated == 32
    assert [sample.answer for sample in result.samples] == ["42"] * 4
    assert not result.usage.total.estimated


@pytest.mark.parametrize("event", OTHER_EVENTS)
async def test_a_stream_without_any_choice_is_refused(event: str) -> None:
    sample = await one_sample(behavior_with(events=[event], only_events=True))
    assert (sample.status, sample.error_type) == ("failed", "malformed_reply")
    assert "no choices" in (sample.error or "")


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


BASIC = b64encode(b"me:pass word").decode()


def with_user(server: FaultServer) -> dict[str, Any]:
    """Return a config whose only endpoint has a user and a password in its URL."""
    config = config_over(server, samples=1, retries=0)
    config["explorer"]["endpoints"] = [server.url.replace("//", "//me:pass%20word@")]
    return config


async def test_url_credentials_are_sent_as_a_header_and_redacted(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    def reject_and_repeat(_: dict[str, Any], number: int) -> Behavior:
        reported = f"who is me, pass word, pass%20word, Basic {BASIC}?"
        return GOOD if number == 0 else behavior_with(status=401, error=reported)

    with FaultServer(reject_and_repeat) as server:
        solver = A2R(with_user(server))
        await solver.workflow.models.probe("explorer")
        result = await solver.aask("6 times 7?")
        assert (result.answer, result.samples[0].endpoint) == ("42", server.url)
        with pytest.raises(NoAnswerError) as refused:
            await solver.aask("6 times 7?")
        assert "HTTP 401: who is me, [key], [key], Basic [key]?" in str(
            refused.value.result.samples[0].error
        )
        assert {headers["Authorization"] for headers in server.request_log.headers} == {
            f"Basic {BASIC}"
        }
        server.kill()
        with pytest.raises(UnreachableError) as unreached:
            await solver.workflow.models.probe("explorer")
        lost = await ask(with_user(server))
    shown = [str(refused.value), str(unreached.value), caplog.text, *capsys.readouterr()]
    results = (result, refused.value.result, lost)
    shown += [json.dumps(each.model_dump(mode="json")) for each in results]
    for secret in (BASIC, "pass word", "pass%20word"):
        assert secret not in "".join(shown)


async def test_an_api_key_overrides_the_url_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-mine")
    with FaultServer(GOOD) as server:
        config = with_user(server)
        config["explorer"]["api_key_env"] = "MY_KEY"
        assert (await ask(config)).answer == "42"
        assert [headers["Authorization"] for headers in server.request_log.headers] == [
            "Bearer sk-mine"
        ]


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


async def test_a_key_repeated_in_an_error_is_redacted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-SECRET-abcdefghijklmnopqrstuvwxyz")
    error = "x" * 262 + " sk-SECRET-abcdefghijklmnopqrstuvwxyz is no key"
    with FaultServer(behavior_with(status=401, error=error)) as server:
        result = await ask(config_over(server, samples=1, api_key_env="MY_KEY"))
    assert "SECRET" not in (result.samples[0].error or "")
    assert "[key]" in (result.samples[0].error or "")


BODY_SECRET, HEADER_SECRET, KEY_SECRET = "body-s3cr\u00e9t-1", "header-s3cret-2", "key-s3cret-3"
EXTRA_BODY = {
    "guard": {"password": BODY_SECRET},
    "headers": {"Authorization": f"Bearer {HEADER_SECRET}"},
    "top_k": 20,
}


def repeating(form: str) -> Any:
    """A script whose errors repeat the request in a form."""

    def script(body: dict[str, Any], _: int) -> Behavior:
        said = {"body": body, "headers": {"Authorization": f"Bearer {KEY_SECRET}"}}
        values = f"{BODY_SECRET} {HEADER_SECRET} {KEY_SECRET} {'x' * 250} {BODY_SECRET}"
        message = {"json": json.dumps(said), "python": repr(said)}.get(form, values)
        error = {"error": {"message": message, "input": said, "code": "invalid_request_error"}}
        match form:
            case "text":
                return Behavior(status=400, error=message, error_shape="text")
            case "body":
                return Behavior(status=422, error={"detail": [{"loc": ["body"], "input": said}]})
            case "stream":
                return Behavior(events=[f"data: {json.dumps(error)}"], only_events=True)
            case "event":
                return Behavior(events=[f"event: error\ndata: {values}"], only_events=True)
            case "no choices":
                return Behavior(events=[f"data: {json.dumps(said)}"], only_events=True)
        return Behavior(status=400, error=error)

    return script


def read_files(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


@pytest.mark.parametrize("callbacks", [True, False])
@pytest.mark.parametrize(
    "form", ["json", "python", "values", "text", "body", "stream", "event", "no choices"]
)
async def test_what_a_server_repeats_of_a_request_is_redacted(
    form: str,
    callbacks: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    seen: list[str] = []

    class Listener(BaseCallbackHandler):
        def on_llm_error(self, error: BaseException, **_: Any) -> None:
            seen.append(f"{error} {error!r}")

    monkeypatch.setenv("MY_KEY", KEY_SECRET)
    store = tmp_path / "runs.db"
    with FaultServer(repeating(form)) as server:
        config = config_over(
            server,
            samples=2,
            retries=0,
            api_key_env="MY_KEY",
            sampling={"extra_body": EXTRA_BODY},
        )
        solver = A2R(config, checkpointer=str(store))
        with pytest.raises(NoAnswerError) as caught:
            await solver.aask(
                "6 times 7?",
                {
                    "callbacks": [Listener()] if callbacks else [],
                    "configurable": {"thread_id": "mine"},
                },
            )
        assert server.request_log.requests[0]["guard"] == {"password": BODY_SECRET}
    result = caught.value.result
    assert "[hidden]" in (result.samples[0].error or "") or "[key]" in str(caught.value)
    assert bool(seen) == callbacks
    stored = read_files(tmp_path)
    assert result.run_id.encode() in stored
    shown = [str(caught.value), result.model_dump_json(), caplog.text, *seen]
    for secret in (BODY_SECRET, HEADER_SECRET, KEY_SECRET):
        assert secret.encode() not in stored
        for text in shown:
            assert secret not in text
            assert json.dumps(secret)[1:-1] not in text


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
