"""Accumulated text, thinking, finish reason and usage of a stream."""

from __future__ import annotations

from typing import Any

import pytest

from a2r._internal.reasoning import ReasoningPart
from a2r.config import RoleConfig
from a2r.inference.call_errors import BROKEN_CONNECTION, CallError, to_call_error
from a2r.inference.transport.stream_accumulator import (
    ErrorInStreamError,
    MalformedReplyError,
    StreamAccumulator,
)
from a2r.inference.types import Request
from a2r.inference.usage_and_cost import Ledger, request_usage, zero_usage
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


def usage_report(prompt: int, completion: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion}


def accumulate(*chunks: Any, request_sent: bool = True, streamed: bool = True) -> StreamAccumulator:
    accumulator = StreamAccumulator(request_sent=request_sent, streamed=streamed)
    for item in chunks:
        accumulator.add(item)
    return accumulator


@pytest.mark.parametrize(
    "chunks",
    [
        [chunk(reasoning="hm"), chunk("So 4")],
        [chunk(reasoning_content="hm"), chunk("So 4")],
        [chunk(reasoning="hm", reasoning_content="hm"), chunk("So 4")],
        [chunk("<think>h"), chunk("m</th"), chunk("ink>So 4")],
        [chunk("hm</think>So 4")],
        [chunk("[THI"), chunk("NK]hm[/THINK]So 4")],
        [chunk("<|START_THINKING|>hm<|END_THINKING|><|START_RESPONSE|>So 4<|END_RESPONSE|>")],
        [chunk("analysis"), chunk("hm"), chunk("assistant"), chunk("finalSo 4")],
        [{"choices": [{"message": {"content": "So 4", "reasoning_content": "hm"}}]}],
        [{"choices": [{"message": {"content": "<think>hm</think>So 4"}}]}],
    ],
)
def test_thinking_is_split_from_the_answer_in_every_format(chunks: list[Any]) -> None:
    assert accumulate(*chunks).split() == ("So 4", "hm")


def test_truncated_thinking_is_not_an_answer() -> None:
    assert accumulate(chunk("<think>so far"), chunk(finish="length")).split() == ("", "so far")
    assert accumulate(chunk(reasoning="so far"), chunk(finish="length")).split() == ("", "so far")


def test_deltas_are_returned_once_and_without_tags() -> None:
    accumulator, text, thinking = StreamAccumulator(), "", ""
    for delta in ["<thi", "nk>a", "b</think", ">c", "d<"]:
        accumulator.add(chunk(delta))
        part = accumulator.take_delta()
        text, thinking = text + part.answer, thinking + part.thinking
    assert (text + accumulator.flush().answer, thinking) == ("cd<", "ab")


def test_deltas_before_an_unpaired_closing_tag_are_retracted() -> None:
    accumulator = StreamAccumulator()
    accumulator.add(chunk("h"))
    assert accumulator.take_delta() == ReasoningPart(answer="h")
    accumulator.add(chunk("m</think>So"))
    assert accumulator.take_delta() == ReasoningPart(thinking="m", answer="So", retracts=True)


def test_the_usage_of_a_complete_stream_is_exact() -> None:
    usage = request_usage(
        accumulate(chunk("a"), chunk("b", finish="stop", usage=usage_report(7, 2))), REQUEST, ROLE
    )
    assert usage == Usage(
        calls=1,
        prompt_tokens=7,
        completion_tokens=2,
        reasoning_tokens=None,
        cost=27e-6,
        estimated=False,
    )


def test_an_interrupted_stream_uses_the_last_report_as_an_estimate() -> None:
    accumulator = accumulate(*(chunk("x", usage=usage_report(7, n)) for n in range(1, 6)))
    usage = request_usage(accumulator, REQUEST, ROLE)
    assert (usage.prompt_tokens, usage.completion_tokens, usage.estimated) == (7, 5, True)


def test_text_after_the_last_report_is_counted() -> None:
    accumulator = accumulate(
        chunk("x", usage=usage_report(7, 1)), *(chunk("word ") for _ in range(9))
    )
    usage = request_usage(accumulator, REQUEST, ROLE)
    assert (usage.completion_tokens or 0) >= 10
    assert usage.estimated


def test_without_a_report_usage_is_estimated_and_not_zero() -> None:
    usage = request_usage(accumulate(chunk("word "), chunk(finish="stop")), REQUEST, ROLE)
    assert (usage.prompt_tokens, usage.estimated) == (2, True)
    assert (usage.completion_tokens or 0) > 0


def test_an_interrupted_unstreamed_request_is_estimated_by_throughput() -> None:
    unstreamed = accumulate(request_sent=True, streamed=False)
    usage = request_usage(unstreamed, REQUEST, ROLE, seconds=3, tokens_per_second=20)
    assert (usage.completion_tokens, usage.estimated) == (60, True)
    unknown = request_usage(unstreamed, REQUEST, ROLE, seconds=3, tokens_per_second=0.0)
    assert (unknown.completion_tokens, unknown.estimated) == (1, True)


def test_requests_that_cannot_have_generated_tokens_use_none() -> None:
    rejected = CallError(error_type="rate_limited", message="", transient=True)
    unreachable = CallError(error_type="unreachable", message="", transient=True, reached=False)
    assert zero_usage(rejected, accumulate()) == Usage(calls=1)
    assert zero_usage(unreachable, accumulate()) == Usage()
    assert zero_usage(BROKEN_CONNECTION, accumulate(request_sent=False)) == Usage()
    assert zero_usage(BROKEN_CONNECTION, accumulate()) is None


@pytest.mark.parametrize(
    "usage", ["abc", 7, [], {"prompt_tokens": "x"}, {"completion_tokens": 10**400}]
)
def test_an_invalid_usage_is_ignored(usage: Any) -> None:
    assert accumulate(chunk("x", usage=usage)).reported_usage == {}


def test_reported_reasoning_tokens() -> None:
    usage = {**usage_report(1, 9), "completion_tokens_details": {"reasoning_tokens": 6}}
    assert accumulate(chunk("x", usage=usage)).reasoning_tokens() == 6
    assert accumulate(chunk("x", usage=usage_report(1, 9))).reasoning_tokens() is None


@pytest.mark.parametrize(
    "error",
    [
        {"error": {"message": "m"}},
        {"object": "error", "message": "m"},
        [{"error": {"message": "m", "code": 400}}],
        {"choices": [{"index": 0, "error": {"message": "m"}, "finish_reason": "error"}]},
    ],
)
def test_an_error_in_a_stream_is_raised(error: Any) -> None:
    with pytest.raises(ErrorInStreamError):
        accumulate(chunk("a"), error)


@pytest.mark.parametrize(
    "body",
    [
        {"code": "InvalidApiKey", "message": "m"},
        {"errors": [{"message": "m"}], "success": False},
        {"status": 401, "title": "m"},
        {"detail": "Unauthorized"},
    ],
)
def test_an_error_in_place_of_a_completion_is_raised(body: Any) -> None:
    with pytest.raises(ErrorInStreamError):
        accumulate(body).check_choices()
    # Beside a reply, it is an event of another kind.
    accumulate(chunk("a"), body).check_choices()


def test_a_response_without_choices_is_quoted() -> None:
    with pytest.raises(MalformedReplyError) as caught:
        accumulate({"detail": "says why"}).check_choices()
    assert "no choices: {'detail': 'says why'}" in to_call_error(caught.value).message.replace(
        '"', "'"
    )


def test_tokens_before_a_rejection_count() -> None:
    rejected = CallError(error_type="rejected", message="", transient=False)
    assert zero_usage(rejected, accumulate(chunk("word "))) is None
    assert zero_usage(rejected, accumulate({"usage": usage_report(7, 2)})) is None


OTHER_EVENTS: list[Any] = [
    None,
    "ping",
    [],
    {},
    {"type": "ping"},
    {"sources": [{"title": "t"}]},
    {"choices": None},
    {"choices": {}},
    {"choices": [None, 1]},
    {"choices": [{}]},
    {"choices": [], "error": None},
]


@pytest.mark.parametrize("event", OTHER_EVENTS, ids=str)
def test_an_event_without_choices_is_skipped(event: Any) -> None:
    accumulator = accumulate(event, chunk("So"), event, chunk(" 4", finish="stop"), event)
    assert (accumulator.split()[0], accumulator.finish_reason) == ("So 4", "stop")
    accumulator.check_choices()
    with pytest.raises(MalformedReplyError):
        accumulate(event, event).check_choices()


@pytest.mark.parametrize("end", [{}, {"delta": None}, {"delta": []}, {"message": None}], ids=str)
def test_the_last_chunk_may_have_no_delta(end: Any) -> None:
    last = {"choices": [{"index": 0, "finish_reason": "length", **end}]}
    accumulator = accumulate(chunk("So 4"), last)
    assert (accumulator.split()[0], accumulator.finish_reason) == ("So 4", "length")


def test_the_usage_of_an_event_without_choices_counts() -> None:
    accumulator = accumulate(chunk("a", finish="stop"), {"usage": usage_report(7, 2)})
    assert (accumulator.reported_usage, accumulator.usage_stale) == (usage_report(7, 2), False)


def test_only_the_first_choice_counts() -> None:
    second = {"index": 1, "delta": {"content": "other"}}
    accumulator = accumulate({"choices": [second]}, chunk("mine"))
    assert accumulator.split()[0] == "mine"


def choice_of(index: object, text: str, finish: str | None = None, **delta: str) -> Any:
    content = {"content": text} if text else {}
    choice = {"index": index, "delta": content | delta, "finish_reason": finish}
    return {"choices": [choice]}


@pytest.mark.parametrize(
    "chunks",
    [
        [choice_of("0", "So 4", "stop")],
        [choice_of(1, "So "), choice_of(1, "4", "stop")],
        [choice_of(0, "", reasoning="hm"), choice_of(1, "So 4"), choice_of(0, "", "stop")],
        [choice_of(1, "So 4", "stop"), choice_of(2, "other", "stop")],
    ],
    ids=str,
)
def test_choices_of_other_indexes_count_if_the_first_has_no_text(chunks: list[Any]) -> None:
    accumulator = accumulate(*chunks)
    accumulator.adopt_other_choice()
    assert (accumulator.split()[0], accumulator.finish_reason) == ("So 4", "stop")
    assert accumulator.deltas >= 1
    accumulator.check_choices()


def test_a_message_beside_a_delta_is_no_more_text() -> None:
    whole = {"message": {"content": "So 4"}, "finish_reason": "stop"}
    for delta in ({}, {"content": ""}):
        accumulator = accumulate(chunk("So 4"), {"choices": [{"delta": delta, **whole}]})
        assert accumulator.split()[0] == "So 4"
    assert accumulate({"choices": [{"delta": None, **whole}]}).split()[0] == "So 4"


def test_the_usage_in_a_choice_counts() -> None:
    choice = {"index": 0, "delta": {}, "finish_reason": "stop", "usage": usage_report(7, 2)}
    accumulator = accumulate(chunk("a"), {"choices": [choice]})
    assert (accumulator.reported_usage, accumulator.usage_stale) == (usage_report(7, 2), False)


def test_the_ledger_sums_usage_by_role() -> None:
    ledger = Ledger()
    ledger.add("explorer", Usage(calls=1, prompt_tokens=3))
    ledger.add("explorer", Usage(calls=2, prompt_tokens=4, estimated=True))
    ledger.add("synthesizer", Usage(calls=1, completion_tokens=5))
    total = ledger.total()
    assert (total.explorer.calls, total.explorer.prompt_tokens) == (3, 7)
    assert (total.total.calls, total.total.completion_tokens, total.total.estimated) == (4, 5, True)


def test_an_empty_finish_reason_is_ignored() -> None:
    assert accumulate(chunk("So", finish="")).finish_reason is None
