"""Structured outputs, curl, and LangChain's unmodified `ChatOpenAI` with the server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from openai.types.chat import ChatCompletionChunk

from tests.support.clients import (
    AGREEING,
    IN_JSON,
    MESSAGES,
    QUESTION,
    SYNTHESIZED,
    Setup,
    Start,
    Sum,
    check_synthesized_stream,
    disagreement,
    json_reply,
)
from tests.support.fake_openai import ScriptedReply, fake_openai, replies
from tests.support.serving import MODEL, Served, served, written

pytestmark = pytest.mark.integration


def test_parse_a_unanimous_result(start: Start) -> None:
    setup = start(replies(small=[json_reply(42), json_reply(42, "Differently: ")]))
    reply = setup.client.chat.completions.parse(model=MODEL, messages=MESSAGES, response_format=Sum)
    assert reply.choices[0].message.parsed == Sum(terms=[12, 30], total=42)
    assert reply.model_extra is not None
    assert reply.model_extra["a2r"][0]["method"] == "unanimous"
    assert not any("response_format" in call for call in setup.explorer)
    assert all('"total"' in call["messages"][-1]["content"] for call in setup.explorer)


def test_parse_a_synthesized_result(start: Start) -> None:
    setup = start(
        replies(small=[json_reply(41), json_reply(42), json_reply("forty-two")], big=IN_JSON)
    )
    reply = setup.client.chat.completions.parse(model=MODEL, messages=MESSAGES, response_format=Sum)
    assert reply.choices[0].message.parsed == Sum(terms=[12, 30], total=42)
    (call,) = setup.synthesizer
    assert call["response_format"]["type"] == "json_schema"
    schema = call["response_format"]["json_schema"]
    assert (schema["name"], schema["strict"]) == ("Sum", True)
    assert schema["schema"]["properties"]["total"]["type"] == "integer"


def test_nonconforming_samples_do_not_vote(start: Start) -> None:
    setup = start(replies(small=[json_reply("forty-two"), json_reply(42)]))
    reply = setup.client.chat.completions.parse(model=MODEL, messages=MESSAGES, response_format=Sum)
    assert reply.choices[0].message.parsed == Sum(terms=[12, 30], total=42)
    assert reply.model_extra is not None
    assert reply.model_extra["a2r"][0]["clusters"][0]["samples"] == [1, 2, 3]


def test_json_mode(start: Start) -> None:
    setup = start(replies(small=json_reply(42)))
    reply = setup.client.chat.completions.create(
        model=MODEL, messages=MESSAGES, response_format={"type": "json_object"}
    )
    assert reply.choices[0].message.content == '{"terms": [12, 30], "total": 42}'


def test_a_parsed_stream(start: Start) -> None:
    setup = start(replies(small=json_reply(42)))
    with setup.client.chat.completions.stream(
        model=MODEL, messages=MESSAGES, response_format=Sum
    ) as stream:
        kinds = {event.type for event in stream}
        reply = stream.get_final_completion()
    assert "content.done" in kinds
    assert reply.choices[0].message.parsed == Sum(terms=[12, 30], total=42)


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Served]:
    with (
        fake_openai(disagreement) as fake,
        served(written(tmp_path, fake.url)) as running,
    ):
        yield running


def curl(*arguments: str) -> str:
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--max-time", "60", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def posted(server: Served, *arguments: str, **fields: Any) -> str:
    body = json.dumps({"model": MODEL, "messages": MESSAGES, **fields})
    return curl(
        *("--header", "Content-Type: application/json", "--data", body, *arguments),
        f"{server.url}/chat/completions",
    )


def test_curl(serving: Served) -> None:
    reply = json.loads(posted(serving))
    assert reply["choices"][0]["message"]["content"] == SYNTHESIZED.text

    head, _, body = posted(serving, "--no-buffer", "--include", stream=True).partition("\n\n")
    assert head.startswith("HTTP/1.1 200")
    assert "content-type: text/event-stream" in head
    *events, done = [line for line in body.splitlines() if line]
    assert done == "data: [DONE]"
    assert all(line.startswith("data: ") for line in events)
    chunks = [ChatCompletionChunk.model_validate_json(line[len("data: ") :]) for line in events]
    check_synthesized_stream(chunks)

    listed = json.loads(curl(f"{serving.url}/models"))
    assert listed["data"][0]["id"] == MODEL
    status = ("--output", "/dev/null", "--write-out", "%{http_code}")
    assert curl(*status, f"{serving.root}/health") == "200"
    assert posted(serving, *status, temperature=9) == "400"
    broken = json.loads(curl("--data", "{", f"{serving.url}/chat/completions"))
    assert broken["error"]["type"] == "invalid_request_error"
    logged = serving.until("request", path="/v1/chat/completions", status=200)
    assert (logged["model"], logged["decisions"]) == (MODEL, "synthesize")


def test_langchain_invokes(disagreeing: Setup) -> None:
    chat = disagreeing.langchain(seed=11, stop=["END"])
    message = chat.invoke(
        [SystemMessage("Be brief."), HumanMessage("Hi"), AIMessage("Hi!"), HumanMessage(QUESTION)]
    )
    assert message.content == SYNTHESIZED.text
    assert message.usage_metadata is not None
    assert message.usage_metadata["total_tokens"] == 5 * 15
    assert message.response_metadata["finish_reason"] == "stop"
    assert message.response_metadata["model_name"] == MODEL
    call = disagreeing.synthesizer[0]
    assert [message["role"] for message in call["messages"]] == [
        "system",
        "user",
        "assistant",
        "user",
    ]
    assert (call["seed"], call["stop"]) == (11, ["END"])


def test_langchain_streams(disagreeing: Setup) -> None:
    chunks = list(disagreeing.langchain(stream_usage=True).stream(QUESTION))
    joined = chunks[0]
    for chunk in chunks[1:]:
        joined = joined + chunk
    assert joined.content == SYNTHESIZED.text
    assert joined.usage_metadata is not None
    assert joined.usage_metadata["total_tokens"] == 5 * 15
    assert joined.response_metadata["finish_reason"] == "stop"


async def test_langchain_streams_events_and_batches(agreeing: Setup) -> None:
    chat = agreeing.langchain()
    batch = await chat.abatch([QUESTION, "And what is 21 + 21?", [HumanMessage("6 * 7?")]])
    assert {message.content for message in batch} == {AGREEING.text}
    assert len(agreeing.explorer) == 12
    assert "".join([chunk.text async for chunk in chat.astream(QUESTION)]) == AGREEING.text


@pytest.mark.parametrize("method", ["json_schema", "json_mode"])
def test_langchain_structured_output(
    start: Start, method: Literal["json_schema", "json_mode"]
) -> None:
    setup = start(replies(small=[json_reply(41), json_reply(42)], big=IN_JSON))
    chat = setup.langchain().with_structured_output(Sum, method=method)
    assert chat.invoke(QUESTION) == Sum(terms=[12, 30], total=42)
    format_type = {"json_schema": "json_schema", "json_mode": "json_object"}[method]
    assert setup.synthesizer[0]["response_format"]["type"] == format_type


def test_json_that_does_not_conform_is_a_refusal(start: Start) -> None:
    setup = start(lambda *_: ScriptedReply(text='```json\n{"name": 3}\n```'))
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema}}
    ask: Any = {"model": MODEL, "messages": MESSAGES, "response_format": wanted}
    message = setup.client.chat.completions.create(**ask).choices[0].message
    assert (message.content, message.refusal) == (
        None,
        "No answer conforms to the response format.",
    )
    chunks = list(setup.client.chat.completions.create(**ask, stream=True))
    refusals = [choice.delta.refusal for chunk in chunks for choice in chunk.choices]
    assert "".join(filter(None, refusals)) == message.refusal
