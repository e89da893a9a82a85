"""What is read out of chunks: text, thinking, finish reason, usage, and its honesty."""

from __future__ import annotations

from typing import Any

import pytest

from a2r.config import RoleConfig
from a2r.inference.accounting import Ledger, request_usage, zero_usage
from a2r.inference.call_errors import BROKEN_CONNECTION, CallError
from a2r.inference.transport.stream_accumulator import (
    ErrorInStreamError,
    MalformedReplyError,
    StreamAccumulator,
)
from a2r.inference.types import Request
from a2r.usage import Usage

ROLE = RoleConfig(model="m", endpoints=["http://h/v1"], price={"input": 1, "output": 10})  # type: ignore[arg-type]
REQUEST = Request(
    role="explorer",
    messages=[{"role": "user", "content": "12345678"}],
    seed=0,
    timeout=1,
)


def chunk(text: str = "", usage: Any = None, finish: str | None = None, **delta: Any) -> Any:
    choice = {"index": 0, "delta": {"content": text, **delta}, "finish_reason": finish}
    return {"choices": [choice], "usage": usage}


def told(prompt: int, completion: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion}


def of(*chunks: Any, sent: bool = True, streamed: bool = True) -> StreamAccumulator:
    transcript = StreamAccumulator(request_sent=sent, streamed=streamed)
    for each in chunks:
        transcript.add(each)
    return transcript


@pytest.mark.parametrize(
    "chunks",
    [
        [chunk(reasoning="hm"), chunk("So 4")],
        [chunk(reasoning_content="hm"), chunk("So 4")],
        [chunk(reasoning="hm", reasoning_content="hm"), chunk("So 4")],
        [chunk("<think>h"), chunk("m</th"), chunk("ink>So 4")],
        [chunk("hm</think>So 4")],
        [{"choices": [{"message": {"content": "So 4", "reasoning_content": "hm"}}]}],
        [{"choices": [{"message": {"content": "<think>hm</think>So 4"}}]}],
    ],
)
def test_thinking_is_told_from_the_answer_part_in_every_form(chunks: list[Any]) -> None:
    assert of(*chunks).split() == ("So 4", "hm")


def test_thinking_that_is_cut_off_is_no_answer() -> None:
    assert of(chunk("<think>so far"), chunk(finish="length")).split() == ("", "so far")
    assert of(chunk(reasoning="so far"), chunk(finish="length")).split() == ("", "so far")


def test_news_come_once_each_and_tags_are_never_among_them() -> None:
    transcript, text, thinking = StreamAccumulator(), "", ""
    for piece in ["<thi", "nk>a", "b</think", ">c", "d<"]:
        transcript.add(chunk(piece))
        news = transcript.take_delta()
        text, thinking = text + news.answer, thinking + news.thinking
    assert (text + transcript.flush().answer, thinking) == ("cd<", "ab")


def test_the_usage_of_a_whole_stream_is_exact() -> None:
    usage = request_usage(
        of(chunk("a"), chunk("b", finish="stop", usage=told(7, 2))), REQUEST, ROLE
    )
    assert usage == Usage(
        calls=1,
        prompt_tokens=7,
        completion_tokens=2,
        reasoning_tokens=None,
        cost=27e-6,
        estimated=False,
    )


def test_a_stream_that_is_cut_off_is_charged_the_last_told_count_as_an_estimate() -> None:
    transcript = of(*(chunk("x", usage=told(7, n)) for n in range(1, 6)))
    usage = request_usage(transcript, REQUEST, ROLE)
    assert (usage.prompt_tokens, usage.completion_tokens, usage.estimated) == (7, 5, True)


def test_text_after_the_last_report_is_counted_too() -> None:
    transcript = of(chunk("x", usage=told(7, 1)), *(chunk("word ") for _ in range(9)))
    usage = request_usage(transcript, REQUEST, ROLE)
    assert (usage.completion_tokens or 0) >= 10
    assert usage.estimated


def test_without_any_report_everything_is_an_estimate_and_none_is_zero() -> None:
    usage = request_usage(of(chunk("word "), chunk(finish="stop")), REQUEST, ROLE)
    assert (usage.prompt_tokens, usage.estimated) == (2, True)
    assert (usage.completion_tokens or 0) > 0


def test_a_cut_off_request_without_a_stream_is_estimated_by_the_endpoints_pace() -> None:
    silent = of(sent=True, streamed=False)
    usage = request_usage(silent, REQUEST, ROLE, seconds=3, tokens_per_second=20)
    assert (usage.completion_tokens, usage.estimated) == (60, True)
    unknown = request_usage(silent, REQUEST, ROLE, seconds=3, tokens_per_second=0.0)
    assert (unknown.completion_tokens, unknown.estimated) == (1, True)


def test_what_no_server_can_have_generated_costs_nothing() -> None:
    refused = CallError(error_type="rate_limited", message="", transient=True)
    unreachable = CallError(error_type="unreachable", message="", transient=True, reached=False)
    assert zero_usage(refused, of()) == Usage(calls=1)
    assert zero_usage(unreachable, of()) == Usage()
    assert zero_usage(BROKEN_CONNECTION, of(sent=False)) == Usage()
    assert zero_usage(BROKEN_CONNECTION, of()) is None


@pytest.mark.parametrize(
    "usage", ["abc", 7, [], {"prompt_tokens": "x"}, {"completion_tokens": 10**400}]
)
def test_a_wrong_usage_is_none(usage: Any) -> None:
    assert of(chunk("x", usage=usage)).reported_usage == {}


def test_reasoning_tokens_are_kept_where_they_are_told() -> None:
    usage = {**told(1, 9), "completion_tokens_details": {"reasoning_tokens": 6}}
    assert of(chunk("x", usage=usage)).reasoning_tokens() == 6
    assert of(chunk("x", usage=told(1, 9))).reasoning_tokens() is None


def test_an_error_in_the_stream_and_what_is_no_chunk_are_told_apart() -> None:
    for error in ({"error": {"message": "m"}}, {"object": "error", "message": "m"}):
        with pytest.raises(ErrorInStreamError):
            of(error)
    for junk in (None, [], {}, {"choices": None}, {"choices": [1]}, {"choices": [{}]}):
        with pytest.raises(MalformedReplyError):
            of(junk)


def test_further_choices_are_none_of_a_sample() -> None:
    second = {"index": 1, "delta": {"content": "other"}}
    transcript = of({"choices": [second]}, chunk("mine"))
    assert transcript.split()[0] == "mine"


def test_the_ledger_adds_up_by_role() -> None:
    ledger = Ledger()
    ledger.add("explorer", Usage(calls=1, prompt_tokens=3))
    ledger.add("explorer", Usage(calls=2, prompt_tokens=4, estimated=True))
    ledger.add("synthesizer", Usage(calls=1, completion_tokens=5))
    total = ledger.total()
    assert (total.explorer.calls, total.explorer.prompt_tokens) == (3, 7)
    assert (total.total.calls, total.total.completion_tokens, total.total.estimated) == (4, 5, True)


def test_an_empty_finish_reason_ends_nothing() -> None:
    assert of(chunk("So", finish="")).finish_reason is None
