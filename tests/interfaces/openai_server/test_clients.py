"""The unmodified openai package with the server: replies, streams, request options."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from multidict import CIMultiDict
from openai.types.chat import ChatCompletionMessageParam

from tests.support.clients import (
    AGREEING,
    HALF,
    MESSAGES,
    QUESTION,
    SYNTHESIZED,
    Setup,
    Start,
    check_synthesized_stream,
    join_deltas,
)
from tests.support.fake_openai import ScriptedReply, boxed, replies
from tests.support.serving import MODEL

pytestmark = pytest.mark.integration


def test_a_unanimous_reply(agreeing: Setup) -> None:
    reply = agreeing.client.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert (reply.object, reply.model, len(reply.choices)) == ("chat.completion", MODEL, 1)
    choice = reply.choices[0]
    assert (choice.index, choice.finish_reason) == (0, "stop")
    assert (choice.message.role, choice.message.content) == ("assistant", AGREEING.text)
    assert choice.message.tool_calls is None
    assert reply.usage is not None
    usage = reply.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (40, 20, 60)
    assert reply.model_extra is not None
    (details,) = reply.model_extra["a2r"]
    assert (details["method"], details["answer"], details["agreement"]) == ("unanimous", "42", 1.0)
    assert (details["samples"], details["syntheses"]) == (4, 0)
    assert details["clusters"][0]["votes"] == 4


def test_a_synthesized_reply_counts_both_roles(disagreeing: Setup) -> None:
    reply = disagreeing.client.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert reply.choices[0].message.content == SYNTHESIZED.text
    assert reply.usage is not None
    assert reply.usage.total_tokens == 5 * 15
    assert reply.model_extra is not None
    details = reply.model_extra["a2r"][0]
    assert (details["method"], details["syntheses"]) == ("synthesized", 1)
    assert details["usage"]["synthesizer"]["completion_tokens"] == 5


def test_a_header_disables_the_details(agreeing: Setup) -> None:
    off = {"X-A2R-Details": "off"}
    reply = agreeing.client.chat.completions.create(
        model=MODEL, messages=MESSAGES, extra_headers=off
    )
    assert reply.model_extra == {}
    assert reply.choices[0].message.content == AGREEING.text


def test_the_models(agreeing: Setup) -> None:
    models = [model.id for model in agreeing.client.models.list()]
    assert models[0] == MODEL
    assert {f"{MODEL}/self_consistency", f"{MODEL}/cascade", f"{MODEL}/single"} < set(models)
    model = agreeing.client.models.retrieve(f"{MODEL}/self_consistency")
    assert (model.id, model.object, model.owned_by) == (f"{MODEL}/self_consistency", "model", "a2r")
    reply = agreeing.client.chat.completions.create(model=model.id, messages=MESSAGES)
    assert reply.model == model.id


async def test_concurrent_requests_of_the_async_client(agreeing: Setup) -> None:
    async with agreeing.async_client as client:
        replies = await asyncio.gather(
            *(client.chat.completions.create(model=MODEL, messages=MESSAGES) for _ in range(20))
        )
    assert {reply.choices[0].message.content for reply in replies} == {AGREEING.text}
    assert len({reply.id for reply in replies}) == 20


def test_the_request_id_reaches_the_endpoint(agreeing: Setup) -> None:
    create = agreeing.client.chat.completions.with_raw_response.create
    raw = create(model=MODEL, messages=MESSAGES)
    request_id = raw.headers["x-request-id"]
    parsed = raw.parse()
    assert parsed._request_id == request_id
    assert parsed.id == f"chatcmpl-{request_id}"
    create(model=MODEL, messages=MESSAGES, extra_headers={"X-Request-Id": "my-call:1"})
    request_ids = [
        CIMultiDict(headers)["X-Request-Id"] for headers in agreeing.fake.request_log.headers
    ]
    for name, calls in ((request_id, request_ids[:4]), ("my-call:1", request_ids[4:])):
        assert all(call.startswith(f"{name}-") for call in calls)
        assert sorted(call[-9:] for call in calls) == [f"-sample-{n}" for n in range(4)]


def test_several_choices_are_independent(start: Start) -> None:
    setup = start(replies(small=[boxed("42")] * 4 + [boxed("43")] * 96))
    reply = setup.client.chat.completions.create(model=MODEL, messages=MESSAGES, n=2)
    assert [choice.index for choice in reply.choices] == [0, 1]
    assert len({call["seed"] for call in setup.explorer}) == len(setup.explorer) == 8
    texts = [choice.message.content for choice in reply.choices]
    assert texts == [boxed("42").text, boxed("43").text]
    assert reply.usage is not None
    assert reply.usage.total_tokens == 8 * 15
    assert reply.model_extra is not None
    assert [details["answer"] for details in reply.model_extra["a2r"]] == ["42", "43"]


def test_sampling_options_reach_both_roles(disagreeing: Setup) -> None:
    disagreeing.client.chat.completions.create(
        model=MODEL,
        messages=MESSAGES,
        temperature=0.3,
        top_p=0.8,
        seed=11,
        stop=["END", "STOP"],
        max_tokens=32,
        frequency_penalty=0.5,
        extra_body={"top_k": 5},
    )
    assert sorted(call["seed"] for call in disagreeing.explorer) == [11, 12, 13, 14]
    assert [call["seed"] for call in disagreeing.synthesizer] == [11]
    for call in (*disagreeing.explorer, *disagreeing.synthesizer):
        assert (call["temperature"], call["top_p"], call["top_k"]) == (0.3, 0.8, 5)
        assert (call["stop"], call["frequency_penalty"]) == (["END", "STOP"], 0.5)
        assert max_tokens(call) == 32


def test_whole_numbers_and_empty_stop_texts(agreeing: Setup) -> None:
    options: dict[str, Any] = {"n": 1.0, "max_tokens": 32.0, "seed": 11.0, "stop": ["", "END"]}
    agreeing.client.chat.completions.create(model=MODEL, messages=MESSAGES, **options)
    assert sorted(call["seed"] for call in agreeing.explorer) == [11, 12, 13, 14]
    assert {max_tokens(call) for call in agreeing.explorer} == {32}
    assert {tuple(call["stop"]) for call in agreeing.explorer} == {("END",)}


def max_tokens(call: dict[str, Any]) -> Any:
    return call.get("max_tokens") or call.get("max_completion_tokens")


def test_temperature_0_applies_to_the_synthesizer_with_a_warning(disagreeing: Setup) -> None:
    reply = disagreeing.client.chat.completions.create(
        model=MODEL, messages=MESSAGES, temperature=0, stop="END", max_completion_tokens=10**6
    )
    assert {call["temperature"] for call in disagreeing.explorer} == {0.5}
    assert disagreeing.synthesizer[0]["temperature"] == 0
    assert disagreeing.synthesizer[0]["stop"] == ["END"]
    assert {max_tokens(call) for call in disagreeing.explorer} == {64}
    assert reply.model_extra is not None
    assert "temperature 0" in reply.model_extra["a2r"][0]["warnings"][-1]


@pytest.mark.parametrize(
    "options", [{"extra_body": {"a2r": {"samples": 2}}}, {"extra_headers": {"X-A2R-Samples": "2"}}]
)
def test_a2r_options_in_the_body_or_in_headers(agreeing: Setup, options: dict[str, Any]) -> None:
    agreeing.client.chat.completions.create(model=MODEL, messages=MESSAGES, **options)
    assert len(agreeing.explorer) == 2


def test_system_and_earlier_messages_reach_both_stages(disagreeing: Setup) -> None:
    before: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hello, "}]},
        {"role": "assistant", "content": "Hello!"},
    ]
    disagreeing.client.chat.completions.create(model=MODEL, messages=[*before, *MESSAGES])
    expected = [("system", "Be brief."), ("user", "Hello, "), ("assistant", "Hello!")]
    for call in (*disagreeing.explorer, *disagreeing.synthesizer):
        roles = [(message["role"], message["content"]) for message in call["messages"]]
        assert roles[:3] == expected
        assert len(roles) == 4
        assert roles[3][0] == "user"
        assert QUESTION in roles[3][1]
    assert "\\boxed{41}" in disagreeing.synthesizer[0]["messages"][-1]["content"]


def test_a_synthesized_stream(disagreeing: Setup) -> None:
    stream = disagreeing.client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
    chunks = list(stream)
    check_synthesized_stream(chunks)
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)
    details = [chunk.model_extra["a2r"] for chunk in chunks if chunk.model_extra]
    assert [choices[0]["method"] for choices in details] == ["synthesized"]


async def test_a_synthesized_stream_of_the_async_client(disagreeing: Setup) -> None:
    async with disagreeing.async_client as client:
        stream = await client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
        check_synthesized_stream([chunk async for chunk in stream])


async def test_synthesizer_text_is_sent_while_it_is_generated(disagreeing: Setup) -> None:
    disagreeing.fake.resume_event = threading.Event()
    content = ""
    async with disagreeing.async_client as client:
        stream = await client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
        async for chunk in stream:
            content += join_deltas([chunk], "content")
            if content == SYNTHESIZED.text[:HALF]:
                disagreeing.fake.resume_event.set()
    assert content == SYNTHESIZED.text


def test_a_unanimous_stream_with_its_usage(agreeing: Setup) -> None:
    stream = agreeing.client.chat.completions.create(
        model=MODEL, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    *chunks, last = list(stream)
    assert join_deltas(chunks, "content") == AGREEING.text
    reasoning = join_deltas(chunks, "reasoning_content")
    assert "votes: 4 for 42\ngate: accept" in reasoning
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.total_tokens == 60
    assert all(chunk.usage is None for chunk in chunks)


def test_a_stream_of_several_choices(start: Start) -> None:
    setup = start(replies(small=[boxed("42")] * 4 + [boxed("43")] * 96))
    stream = setup.client.chat.completions.create(model=MODEL, messages=MESSAGES, n=2, stream=True)
    chunks = list(stream)
    for index, answer in enumerate(("42", "43")):
        assert join_deltas(chunks, "content", index) == boxed(answer).text
        assert f"votes: 4 for {answer}" in join_deltas(chunks, "reasoning_content", index)
    ends = [c.index for chunk in chunks for c in chunk.choices if c.finish_reason == "stop"]
    assert sorted(ends) == [0, 1]


def test_the_stream_helper_of_the_client(disagreeing: Setup) -> None:
    with disagreeing.client.chat.completions.stream(model=MODEL, messages=MESSAGES) as stream:
        written_text = "".join(event.delta for event in stream if event.type == "content.delta")
        reply = stream.get_final_completion()
    assert written_text == reply.choices[0].message.content == SYNTHESIZED.text
    assert reply.choices[0].finish_reason == "stop"


async def test_closing_a_stream_cancels_its_calls(start: Start) -> None:
    setup = start(replies(small=[AGREEING, ScriptedReply(hang=True)]))
    async with setup.async_client as client:
        stream = await client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
        async for chunk in stream:
            if "sample 1 of 4" in join_deltas([chunk], "reasoning_content"):
                break
        await setup.fake.request_log.until(lambda log: len(log.requests) == 4)
        await stream.close()
        await setup.fake.request_log.until(lambda log: log.cancelled == 3)


def test_a_request_that_is_not_a_question_is_one_plain_sample(start: Start) -> None:
    setup = start(replies(small=ScriptedReply(text="Adding Two Numbers")))
    prompt = "Write a title for the chat that starts with: What is 12 + 30?"
    reply = setup.client.chat.completions.create(
        model=f"{MODEL}/single", messages=[{"role": "user", "content": prompt}], temperature=0
    )
    (call,) = setup.explorer
    assert call["messages"] == [{"role": "user", "content": prompt}]
    assert (call["temperature"], setup.synthesizer) == (0, [])
    assert reply.choices[0].message.content == "Adding Two Numbers"
    assert reply.model_extra is not None
    assert (reply.model, reply.model_extra["a2r"][0]["method"]) == (f"{MODEL}/single", "single")
