"""Replies of endpoints: finish reasons, thinking, errors inside a 200, and odd events."""

from __future__ import annotations

import json
from typing import Any

import pytest

from a2r import A2R
from a2r.inference.transport.sse import EventDecoder
from tests.fault_server import Behavior, FaultServer
from tests.support.endpoint_samples import (
    TEXT,
    ask,
    behavior_with,
    config_over,
    first_requests,
    one_sample,
)

pytestmark = pytest.mark.integration


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


@pytest.mark.parametrize(
    "error",
    ['{"error":{"message":"late","code":500}}', '{"error":"late"}', '[{"error":{"code":503}}]'],
)
async def test_an_error_after_the_finish_reason_costs_no_reply(error: str) -> None:
    complete = json.dumps({"choices": [{"delta": {"content": TEXT}, "finish_reason": "stop"}]})
    events = [f"data: {complete}", f"event: error\ndata: {error}"]
    with FaultServer(behavior_with(events=events, only_events=True)) as server:
        result = await ask(config_over(server))
        assert server.request_log.arrived == 4
    assert [sample.answer for sample in result.samples] == ["42"] * 4


@pytest.mark.parametrize("done", [True, False])
async def test_an_error_before_the_finish_reason_fails_the_reply(done: bool) -> None:
    sample = await one_sample(behavior_with(stream_error=7, done=done))
    assert (sample.status, sample.error_type) == ("failed", "server_error")


async def test_invalid_utf_8_costs_no_reply() -> None:
    choice = {"index": 0, "delta": {"content": f"\udcff {TEXT}"}, "finish_reason": "stop"}
    event = json.dumps({"choices": [choice]}, ensure_ascii=False).encode(errors="surrogateescape")
    decoder = EventDecoder()
    [value] = decoder.feed(b"data: " + event + b"\n\n")
    assert value["choices"][0]["delta"]["content"] == f"\ufffd {TEXT}"
    assert not decoder.malformed


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("status", [201, 206])
async def test_any_successful_status_is_a_reply(status: int, streamed: bool) -> None:
    completion = {"choices": [{"message": {"content": TEXT}, "finish_reason": "stop"}]}
    sample = await one_sample(Behavior(status=status, error=completion), stream=streamed)
    assert (sample.status, sample.answer) == ("answered", "42")


@pytest.mark.parametrize(
    ("behavior", "error"),
    [
        (Behavior(stream_as_json=True, body=""), "an empty response"),
        (Behavior(only_events=True, done=False), "without a finish reason and without [DONE]"),
        (
            Behavior(events=["<html>Log in</html>"], only_events=True, done=False),
            "without a finish reason and without [DONE]",
        ),
    ],
    ids=["json", "stream", "html"],
)
async def test_an_empty_response_says_so(behavior: Behavior, error: str) -> None:
    sample = await one_sample(behavior)
    assert sample.status == "failed"
    assert error in (sample.error or "")


@pytest.mark.parametrize("event", OTHER_EVENTS)
async def test_a_stream_without_any_choice_is_refused(event: str) -> None:
    sample = await one_sample(behavior_with(events=[event], only_events=True))
    assert (sample.status, sample.error_type) == ("failed", "malformed_reply")
    assert "no choices" in (sample.error or "")
