from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Any

import openai
import pytest

from tests.fault_server import (
    Behavior,
    FaultServer,
    token_count,
)
from tests.fault_server.client import (
    RawResponse,
    chat_body,
    raw_request,
    request_completion,
    request_path,
    send,
)

pytestmark = pytest.mark.integration

TEXT = "The answer is \\boxed{42}."
USAGE = {"include_usage": True, "continuous_usage_stats": True}
SHORT_TIMEOUT = 0.4


@pytest.fixture(autouse=True)
def _nothing_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert not [record.getMessage() for record in caplog.records if record.levelno >= 30]


async def request_once(behavior: Behavior, *, stream: bool = False, **more: Any) -> RawResponse:
    """Send one request to a new server, and wait until its log entry is closed."""
    response, _ = await request_once_with_server(behavior, stream=stream, **more)
    return response


async def request_once_with_server(
    behavior: Behavior, *, stream: bool = False, idle_timeout: float = 5, **more: Any
) -> tuple[RawResponse, FaultServer]:
    with FaultServer(behavior) as server:
        response = await request_completion(
            server.url, chat_body(stream=stream, **more), idle_timeout=idle_timeout
        )
        await server.request_log.until(lambda log: log.records[-1].outcome is not None)
    return response, server


# What vLLM serves.


async def test_other_paths_match_vllm() -> None:
    with FaultServer(models=("small",), max_model_len=4096) as server:
        models = (await request_path(server.url, "/v1/models")).json()
        assert models["object"] == "list"
        [model] = models["data"]
        assert {name: model[name] for name in ("id", "object", "owned_by", "root")} == {
            "id": "small",
            "object": "model",
            "owned_by": "vllm",
            "root": "small",
        }
        assert model["max_model_len"] == 4096
        health = await request_path(server.url, "/health")
        assert (health.status, health.body) == (200, b"")
        assert re.fullmatch(
            r"[\d.]+", (await request_path(server.url, "/version")).json()["version"]
        )
        missing = await request_path(server.url, "/v1/nothing")
        assert (missing.status, missing.json()) == (404, {"detail": "Not Found"})
        assert (await request_path(server.url, "/v1/models", {})).status == 405
        assert (await request_path(server.url, "/tokenize")).status == 405


async def test_tokenize_counts_what_usage_counts() -> None:
    body = chat_body()
    with FaultServer() as server:
        reported = (
            await request_path(
                server.url, "/tokenize", {"model": "small", "prompt": "four by four"}
            )
        ).json()
        assert reported["count"] == len(reported["tokens"]) == 3
        assert reported["max_model_len"] == 32768
        again = (await request_path(server.url, "/tokenize", {"prompt": "four by four"})).json()
        assert again == reported
        messages = {"model": "small", "messages": body["messages"]}
        counted = (await request_path(server.url, "/tokenize", messages)).json()["count"]
        usage = (await request_completion(server.url, body)).json()["usage"]
        assert usage["prompt_tokens"] == counted
        assert (
            await request_path(server.url, "/tokenize", {"model": "nope", "prompt": ""})
        ).status == 404
        assert (await request_path(server.url, "/tokenize", {"model": "small"})).status == 400
        assert (await request_path(server.url, "/tokenize", [])).status == 400


async def test_metrics_match_the_request_log() -> None:
    with FaultServer(Behavior(text=TEXT, finish_reason="length")) as server:
        for _ in range(2):
            await request_completion(server.url, chat_body())
        text = (await request_path(server.url, "/metrics")).body.decode()
        label = 'engine="0",model_name="small"'
        counts = server.request_log.models["small"]
        assert f"vllm:prompt_tokens_total{{{label}}} {counts.prompt_tokens}.0" in text
        assert f"vllm:generation_tokens_total{{{label}}} {2 * token_count(TEXT)}.0" in text
        assert f"vllm:num_requests_running{{{label}}} 0.0" in text
        assert f"vllm:num_requests_waiting{{{label}}} 0.0" in text
        assert f"vllm:prefix_cache_queries_total{{{label}}} {counts.prompt_tokens}.0" in text
        assert f"vllm:prefix_cache_hits_total{{{label}}} {counts.cache_hits}.0" in text
        assert 0 < counts.cache_hits < counts.prompt_tokens / 2
        success = 'engine="0",finished_reason="length",model_name="small"'
        assert f"vllm:request_success_total{{{success}}} 2.0" in text


async def test_a_completion_matches_vllm() -> None:
    response, server = await request_once_with_server(Behavior(text=TEXT, tokens=5))
    reply = response.json()
    assert reply["id"].startswith("chatcmpl-")
    assert (reply["object"], reply["model"]) == ("chat.completion", "small")
    [choice] = reply["choices"]
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["content"] == TEXT
    assert choice["message"]["reasoning"] is None
    assert choice["finish_reason"] == "stop"
    prompt = server.request_log.prompt_tokens
    assert prompt > 0
    assert reply["usage"]["prompt_tokens"] == prompt
    assert reply["usage"]["completion_tokens"] == 5
    assert reply["usage"]["total_tokens"] == prompt + 5
    log = server.request_log
    assert (log.arrived, log.finished, log.outstanding, log.peak) == (1, 1, 0, 1)
    assert (log.generated, log.reported_tokens, log.records[0].reported_tokens) == (5, 5, 5)
    assert log.requests == [chat_body()]
    assert log.calls("small") == [chat_body()]
    assert log.calls("big") == []
    assert log.headers[0]["Content-Type"] == "application/json"
    assert (log.kinds, log.statuses) == ({"answer": 1}, {200: 1})


async def test_stream_chunks_match_vllm() -> None:
    response, server = await request_once_with_server(
        Behavior(text=TEXT, tokens=4), stream=True, stream_options=USAGE
    )
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.data()[-1] == "[DONE]"
    role, *pieces, finish, usage = response.chunks()
    assert role["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert len(pieces) == 4
    assert all(list(piece["choices"][0]["delta"]) == ["content"] for piece in pieces)
    assert response.delta_text() == TEXT
    assert finish["choices"][0]["delta"] == {"content": ""}
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == []
    prompt = server.request_log.prompt_tokens
    counts = [chunk["usage"]["completion_tokens"] for chunk in response.chunks()]
    assert counts == [0, 1, 2, 3, 4, 4, 4]
    for chunk in response.chunks():
        assert chunk["object"] == "chat.completion.chunk"
        assert chunk["id"] == role["id"]
        reported = chunk["usage"]
        assert reported["prompt_tokens"] == prompt
        assert reported["total_tokens"] == prompt + reported["completion_tokens"]
    assert len(response.writes) == 9, "every event and the end are written apart"
    assert server.request_log.records[0].last_reported_tokens == 4


async def test_usage_only_on_request() -> None:
    response = await request_once(Behavior(text=TEXT), stream=True)
    assert not any("usage" in chunk for chunk in response.chunks())
    assert response.chunks()[-1]["system_fingerprint"]
    final = await request_once(
        Behavior(text=TEXT), stream=True, stream_options={"include_usage": True}
    )
    assert [("usage" in chunk) for chunk in final.chunks()][-2:] == [False, True]


async def test_stream_interval_and_max_tokens() -> None:
    behavior = Behavior(text="abcdef", tokens=6, stream_interval=2, finish_reason="length")
    response = await request_once(behavior, stream=True)
    deltas = [chunk["choices"][0]["delta"]["content"] for chunk in response.chunks()]
    assert deltas == ["", "a", "bc", "de", "f"]
    assert response.chunks()[-1]["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("reason", ["stop", "length", "content_filter", "abort", None])
@pytest.mark.parametrize("stream", [False, True])
async def test_every_finish_reason_with_empty_content(reason: str | None, stream: bool) -> None:
    response = await request_once(Behavior(finish_reason=reason), stream=stream)
    last = response.chunks()[-1] if stream else response.json()
    assert last["choices"][0]["finish_reason"] == reason
    reply_text = response.delta_text() if stream else last["choices"][0]["message"]["content"]
    assert reply_text == ""


async def test_obey_max_tokens() -> None:
    behavior = Behavior(text="abcdef", tokens=6, obey_max_tokens=True)
    response = await request_once(behavior, max_tokens=2)
    [choice] = response.json()["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("ab", "length")
    assert response.json()["usage"]["completion_tokens"] == 2


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
async def test_reasoning_has_its_own_field(name: Any) -> None:
    behavior = Behavior(
        text="42", reasoning="six sevens", reasoning_field=name, report_reasoning_tokens=True
    )
    complete = (await request_once(behavior)).json()
    assert complete["choices"][0]["message"][name] == "six sevens"
    details = {"reasoning_tokens": token_count("six sevens")}
    assert complete["usage"]["completion_tokens_details"] == details
    stream = await request_once(behavior, stream=True, stream_options=USAGE)
    assert (stream.delta_text(name), stream.delta_text()) == ("six sevens", "42")
    assert stream.chunks()[-1]["usage"]["completion_tokens_details"] == details


async def test_thinking_in_the_content_and_thinking_only() -> None:
    tagged = Behavior(text="42", reasoning="hm", reasoning_field="think")
    assert (await request_once(tagged, stream=True)).delta_text() == "<think>\nhm\n</think>\n\n42"
    assert "<think>\nhm" in (await request_once(tagged)).json()["choices"][0]["message"]["content"]
    only = Behavior(reasoning="hm", finish_reason="length")
    message = (await request_once(only)).json()["choices"][0]["message"]
    assert (message["content"], message["reasoning"]) == (None, "hm")
    stream = await request_once(only, stream=True)
    assert (stream.delta_text("reasoning"), stream.delta_text()) == ("hm", "")


@pytest.mark.parametrize("stream", [False, True])
async def test_usage_can_be_missing_zero_or_wrong(stream: bool) -> None:
    options: dict[str, Any] = {"stream_options": USAGE} if stream else {}

    async def usage(kind: Any) -> Any:
        response = await request_once(Behavior(text=TEXT, usage=kind), stream=stream, **options)
        return (response.chunks()[-1] if stream else response.json()).get("usage")

    assert await usage("missing") is None
    assert (await usage("zero"))["total_tokens"] == 0
    assert (await usage({"completion_tokens": -7}))["completion_tokens"] == -7


# Refusals.


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("vllm", {"message": "no", "type": "InternalServerError", "param": None, "code": 500}),
        ("openai", {"message": "no", "type": "server_error", "param": None, "code": None}),
        ("llama.cpp", {"code": 500, "message": "no", "type": "server_error"}),
    ],
)
async def test_error_shapes(shape: Any, expected: Any) -> None:
    behavior = Behavior(status=500, error="no", error_shape=shape)
    response, server = await request_once_with_server(behavior, stream=True)
    assert (response.status, response.json()) == (500, {"error": expected})
    assert server.request_log.outcomes == {"failed": 1}
    assert server.request_log.statuses == {500: 1}
    assert server.request_log.generated == 0


async def test_custom_errors() -> None:
    assert (await request_once(Behavior(status=503, error={"odd": 1}))).json() == {"odd": 1}
    plain = await request_once(Behavior(status=502, error="<html>", error_shape="text"))
    assert (plain.body, plain.headers["content-type"]) == (b"<html>", "text/plain")
    headers = await request_once(Behavior(status=401, headers={"X-Reason": "key"}))
    assert headers.headers["x-reason"] == "key"


async def test_retry_after_in_seconds_or_as_a_date() -> None:
    seconds = await request_once(Behavior(status=429, retry_after=7))
    assert seconds.headers["retry-after"] == "7"
    date = await request_once(Behavior(status=429, retry_after=60, retry_after_as="date"))
    distance = parsedate_to_datetime(date.headers["retry-after"]).timestamp() - time.time()
    assert 55 < distance < 62


async def test_bad_requests_are_rejected_like_vllm() -> None:
    with FaultServer() as server:
        unknown = await request_completion(server.url, chat_body(model="nope"))
        assert (unknown.status, unknown.json()["error"]["type"]) == (404, "NotFoundError")
        broken = await send(server.url, raw_request(server.url, "/chat/completions", b"{"))
        assert broken.status == 400
        assert server.request_log.kinds == {"unknown_model": 1, "bad_request": 1}


# Broken connections.


async def test_a_reset_before_the_body_needs_no_body() -> None:
    with FaultServer(Behavior(reset="before_body")) as server:
        raw = raw_request(server.url, "/chat/completions", json.dumps(chat_body()).encode())
        response = await send(server.url, raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
        assert (response.ending, response.status) == ("reset", 0)
        log = server.request_log
        assert (log.headers_only, log.arrived, log.requests) == (1, 0, [])
        assert (log.outcomes, log.kinds) == ({"reset": 1}, {"reset_before_body": 1})


async def test_a_request_without_body_is_counted_separately() -> None:
    with FaultServer() as server:
        raw = raw_request(server.url, "/chat/completions", b"x" * 100)
        assert (await send(server.url, raw[:-50], idle_timeout=SHORT_TIMEOUT)).ending == "timeout"
        await server.request_log.until(lambda log: log.cancelled == 1)
        assert (server.request_log.headers_only, server.request_log.arrived) == (1, 0)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_reset_before_the_reply(stream: bool) -> None:
    response, server = await request_once_with_server(Behavior(reset="before_reply"), stream=stream)
    assert (response.ending, response.status) == ("reset", 0)
    assert (server.request_log.arrived, server.request_log.outcomes) == (1, {"reset": 1})


async def test_a_reset_in_the_middle_of_a_stream() -> None:
    behavior = Behavior(text="abcdef", tokens=6, reset=3)
    response, server = await request_once_with_server(behavior, stream=True, stream_options=USAGE)
    assert (response.ending, response.delta_text()) == ("reset", "abc")
    assert (server.request_log.generated, server.request_log.reported_tokens) == (3, 0)
    assert server.request_log.records[0].last_reported_tokens == 3
    assert server.request_log.kinds == {"reset_mid_reply": 1}


async def test_a_reset_before_done_and_in_a_body() -> None:
    behavior = Behavior(text="abc", tokens=3, reset="before_done")
    response = await request_once(behavior, stream=True, stream_options=USAGE)
    assert response.ending == "reset"
    assert response.delta_text() == "abc"
    assert response.chunks()[-1]["usage"]["completion_tokens"] == 3
    assert "[DONE]" not in response.data()
    complete = await request_once(behavior)
    assert (complete.ending, len(complete.body)) == (
        "reset",
        int(complete.headers["content-length"]) - 1,
    )
    half, server = await request_once_with_server(Behavior(text="abc", tokens=3, reset=1))
    assert half.ending == "reset"
    assert 0 < len(half.body) < int(half.headers["content-length"])
    assert server.request_log.generated == 1


async def test_half_a_body_and_half_a_stream() -> None:
    cut, server = await request_once_with_server(Behavior(text=TEXT, truncate="body"))
    assert cut.ending == "complete"
    assert len(cut.body) == int(cut.headers["content-length"])
    with pytest.raises(json.JSONDecodeError):
        cut.json()
    assert server.request_log.outcomes == {"cut": 1}
    closed, server = await request_once_with_server(Behavior(text=TEXT, truncate="connection"))
    assert closed.ending == "closed"
    assert 0 < len(closed.body) < int(closed.headers["content-length"])
    assert server.request_log.outcomes == {"cut": 1}
    truncated = await request_once(Behavior(text="abcd", tokens=4, truncate="body"), stream=True)
    assert (truncated.ending, truncated.delta_text()) == ("complete", "ab")
    assert "[DONE]" not in truncated.data()
    broken = await request_once(Behavior(text="abcd", tokens=4, truncate="connection"), stream=True)
    assert (broken.ending, broken.delta_text()) == ("closed", "ab")


@pytest.mark.parametrize("kind", ["comments", "data", "tokens"])
async def test_streams_without_end(kind: Any) -> None:
    behavior = Behavior(text="ab", tokens=2, endless=kind, ping_interval=0.002)
    with FaultServer(behavior) as server:
        response = await request_completion(
            server.url, chat_body(stream=True), disconnect_after=3000
        )
        await server.request_log.until(lambda log: log.cancelled == 1)
        made = server.request_log.generated
    assert response.ending == "timeout"
    assert response.delta_text().startswith("ab")
    if kind == "comments":
        assert response.body.count(b": ping\n\n") > 10
    elif kind == "data":
        assert response.data().count("") > 10
    assert (made > 2) == (kind == "tokens")
    assert server.request_log.finished == 0


@pytest.mark.parametrize(
    ("hang", "stream", "status"),
    [
        ("before_headers", True, 0),
        ("before_headers", False, 0),
        ("after_headers", True, 200),
        ("after_headers", False, 200),
        (2, True, 200),
        (2, False, 200),
    ],
)
async def test_hangs(hang: Any, stream: bool, status: int) -> None:
    behavior = Behavior(text="abcd", tokens=4, hang=hang)
    response, server = await request_once_with_server(
        behavior, stream=stream, idle_timeout=SHORT_TIMEOUT
    )
    assert (response.ending, response.status) == ("timeout", status)
    if stream:
        assert response.delta_text() == ("ab" if hang == 2 else "")
    assert server.request_log.outcomes == {"cancelled": 1}
    assert server.request_log.outstanding == 0


# Odd streams.


async def test_stream_layout() -> None:
    dressed = await request_once(
        Behavior(text="ab", tokens=2, line_end="\r\n", comments=True, blank_events=True),
        stream=True,
    )
    assert dressed.body.startswith(b": ping\r\n\r\ndata:\r\n\r\ndata: {")
    assert b"\n" not in dressed.body.replace(b"\r\n", b"")
    assert dressed.delta_text() == "ab"
    merged = await request_once(Behavior(text="abcdef", tokens=6, coalesce=4), stream=True)
    assert [write.count(b"data: ") for write in merged.writes] == [4, 4, 1, 0]
    assert merged.delta_text() == "abcdef"
    endless = await request_once(Behavior(text="ab", done=False), stream=True)
    assert "[DONE]" not in endless.data()
    assert endless.ending == "complete"


async def test_events_of_other_kinds_and_a_bare_last_chunk() -> None:
    ping = "event: ping\ndata: {}"
    response = await request_once(
        Behavior(text="ab", tokens=2, events=[ping], bare_end=True), stream=True
    )
    assert response.body.count(b"event: ping\ndata: {}\n\n") == 2
    *_, before, last = response.chunks()
    assert before["choices"][0]["delta"] == {"content": "b"}
    assert last["choices"][0]["finish_reason"] == "stop"
    assert "delta" not in last["choices"][0]
    only = Behavior(text="ab", tokens=2, events=[ping], only_events=True)
    alone, server = await request_once_with_server(only, stream=True)
    assert alone.body == b"event: ping\ndata: {}\n\ndata: [DONE]\n\n"
    assert (server.request_log.kinds, server.request_log.generated) == ({"only_events": 1}, 0)
    assert server.request_log.prompt_tokens > 0
    _, server = await request_once_with_server(replace(only, rejects=True), stream=True)
    assert server.request_log.prompt_tokens == 0


async def test_a_malformed_chunk_and_an_error_in_the_stream() -> None:
    malformed = await request_once(Behavior(text="abcd", tokens=4, malformed=2), stream=True)
    good = [data for data in malformed.data() if data.endswith("}")]
    [bad] = [data for data in malformed.data() if data not in (*good, "[DONE]")]
    with pytest.raises(json.JSONDecodeError):
        json.loads(bad)
    assert len(good) == 6
    behavior = Behavior(text="abcd", tokens=4, stream_error=2, error="Internal server error")
    error, server = await request_once_with_server(behavior, stream=True)
    assert error.delta_text() == "ab"
    assert error.chunks()[-1]["error"] == {
        "message": "Internal server error",
        "type": "InternalServerError",
        "param": None,
        "code": 500,
    }
    assert error.data()[-1] == "[DONE]"
    assert (server.request_log.outcomes, server.request_log.generated) == ({"failed": 1}, 2)
    assert (await request_once(behavior)).status == 500


async def test_characters_are_split_across_writes() -> None:
    text = "ümläut 数学 🙂"
    response = await request_once(Behavior(text=text, tokens=1, split_utf8=True), stream=True)
    assert response.delta_text() == text
    halves = [write for write in response.writes if write[-1:] >= b"\xc0"]
    assert len(halves) == 5
    bytewise = await request_once(Behavior(text=text, write_size=5, write_pause=0), stream=True)
    assert max(len(write) for write in bytewise.writes) == 5
    assert bytewise.delta_text() == text
    assert (await request_once(Behavior(text=text, split_utf8=True))).json()["choices"]


async def test_json_in_place_of_a_stream_and_custom_bodies() -> None:
    response = await request_once(Behavior(text=TEXT, stream_as_json=True), stream=True)
    assert response.headers["content-type"] == "application/json"
    assert response.json()["choices"][0]["message"]["content"] == TEXT
    assert (await request_once(Behavior(body="null"))).json() is None


async def test_the_openai_client_reads_the_streams() -> None:
    behavior = Behavior(text=TEXT, reasoning="six sevens")
    with FaultServer(behavior) as server:
        client = openai.AsyncOpenAI(base_url=server.url, api_key="EMPTY", max_retries=0)
        async with client:
            stream = await client.chat.completions.create(
                **{**chat_body(stream=True), "stream_options": {"include_usage": True}}
            )
            chunks = [chunk async for chunk in stream]
        reply_text = [c.choices[0].delta.content or "" for c in chunks if c.choices]
        assert "".join(reply_text) == TEXT
        assert (
            chunks[-1].usage.completion_tokens
            == server.request_log.reported_tokens
            == server.request_log.generated
        )
