"""`ChatA2R` with a server: replies, streams, options, errors, callbacks."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web
from langchain_core.callbacks import BaseCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import ConfigurableField, RunnableLambda

from a2r import A2R
from a2r.errors import NoAnswerError
from a2r.interfaces.langchain.chat_model import ChatA2R
from tests.support.fake_openai import (
    FakeOpenAI,
    ScriptedReply,
    boxed,
    config_for,
    fake_openai,
    replies,
)

pytestmark = pytest.mark.integration

DISAGREEING = [boxed("4"), boxed("5"), boxed("4"), boxed("6")]
SOLUTION = "I think so.\n\\boxed{5}"
TOKENS = {"input_tokens": 50, "output_tokens": 25, "total_tokens": 75}


@pytest.fixture
def disputed() -> Iterator[FakeOpenAI]:
    with fake_openai(replies(small=DISAGREEING, big=boxed("5"))) as server:
        yield server


def join_chunks(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    joined = chunks[0]
    for chunk in chunks[1:]:
        joined += chunk
    return joined


def model_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "a2r"]


async def test_a_reply_has_the_solution_the_usage_and_the_method(
    disputed: FakeOpenAI,
) -> None:
    model = ChatA2R(config_for(disputed.url))
    for reply in (await model.ainvoke("2+2?"), model.invoke("2+2?")):
        assert isinstance(reply, AIMessage)
        assert (reply.content, reply.usage_metadata) == (SOLUTION, TOKENS)
        metadata = reply.response_metadata
        assert (metadata["finish_reason"], metadata["model_name"]) == ("stop", "custom")
        details = metadata["a2r"]
        assert (details["method"], details["answer"]) == ("synthesized", "5")
        assert (details["agreement"], details["samples"], details["syntheses"]) == (0.5, 4, 1)
        assert [cluster["votes"] for cluster in details["clusters"]] == [2, 1, 1]
        assert details["usage"]["synthesizer"]["calls"] == 1
        assert len(details["run_id"]) == 32
        assert json.loads(json.dumps(metadata)) == metadata


async def test_a_stream_has_the_progress_the_solution_and_the_usage_once(
    disputed: FakeOpenAI,
) -> None:
    model = ChatA2R(config_for(disputed.url))
    native = [chunk async for chunk in model.astream("2+2?")]
    for chunks in (native, list(model.stream("2+2?"))):
        assert all(isinstance(chunk, AIMessageChunk) for chunk in chunks)
        assert [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata] == [TOKENS]
        assert chunks[-1].usage_metadata == TOKENS
        assert [chunk.chunk_position for chunk in chunks].count("last") == 1
        joined = join_chunks(chunks)
        assert (joined.content, joined.usage_metadata) == (SOLUTION, TOKENS)
        assert joined.response_metadata["a2r"]["method"] == "synthesized"
        progress = joined.additional_kwargs["reasoning_content"]
        assert "sample 4 of 4 done" in progress
        assert "votes: 2 for 4, 1 for 5, 1 for 6" in progress
    quiet = join_chunks(list(model.stream("2+2?", stream_usage=False)))
    assert (quiet.content, quiet.usage_metadata) == (SOLUTION, None)


def test_streaming_and_invoking_without_a_running_loop(disputed: FakeOpenAI) -> None:
    model = ChatA2R(config_for(disputed.url))
    assert (
        join_chunks(list(model.stream("2+2?"))).content == model.invoke("2+2?").content == SOLUTION
    )
    assert model_threads() == []


async def test_batches_are_in_order(disputed: FakeOpenAI) -> None:
    disputed.script = lambda body, _: boxed(body["messages"][-1]["content"].split("number ")[1][0])
    model = ChatA2R(config_for(disputed.url))
    questions = [f"Say the number {n}." for n in range(3)]
    answers = [["0", "1", "2"]] * 2
    batches = [await model.abatch(questions), model.batch(questions)]
    assert [[m.response_metadata["a2r"]["answer"] for m in batch] for batch in batches] == answers


class Pausing(FakeOpenAI):
    """Sends the synthesizer's first words, and the rest after `resume`."""

    def __init__(self) -> None:
        super().__init__(replies(small=DISAGREEING, big=boxed("5")))
        self._resume_event = asyncio.Event()

    def resume(self) -> None:
        """Release the rest of the current reply."""
        self._loop.call_soon_threadsafe(self._resume_event.set)

    async def _stream(
        self, request: web.Request, body: dict[str, Any], scripted: ScriptedReply
    ) -> web.StreamResponse:
        if body["model"] != "big":
            return await super()._stream(request, body, scripted)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for text in ("It is ", "\\boxed{5}"):
            choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
            chunk = {"id": "c", "object": "chat.completion.chunk", "choices": [choice]}
            await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
            await self._resume_event.wait()
        self._resume_event.clear()
        stop = {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        await response.write(b"data: " + json.dumps(stop).encode() + b"\n\ndata: [DONE]\n\n")
        return response


async def test_synthesizer_text_is_streamed_while_it_is_generated() -> None:
    with Pausing() as server:
        model = ChatA2R(config_for(server.url))
        async for chunk in model.astream("2+2?"):
            if chunk.content == "It is ":
                server.resume()
        for chunk in model.stream("2+2?"):
            if chunk.content == "It is ":
                server.resume()
        assert chunk.chunk_position == "last"


async def test_closing_a_stream_cancels_all_calls() -> None:
    with Pausing() as server:
        model = ChatA2R(config_for(server.url))
        native = model.astream("2+2?")
        async for chunk in native:
            if chunk.content:
                break
        await native.aclose()  # type: ignore[attr-defined]
        await server.request_log.until(lambda log: log.cancelled == 1 and log.outstanding == 0)
        stream = model.stream("2+2?")
        while not next(stream).content:
            pass
        stream.close()  # type: ignore[attr-defined]
        assert model_threads() == []
        await server.request_log.until(lambda log: log.cancelled == 2 and log.outstanding == 0)


async def test_cancelling_a_call_cancels_all_calls() -> None:
    with fake_openai(replies(small=ScriptedReply(hang=True))) as server:
        call = asyncio.create_task(ChatA2R(config_for(server.url)).ainvoke("2+2?"))
        await server.request_log.until(lambda log: log.outstanding == 4)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await server.request_log.until(lambda log: log.cancelled == 4 and log.outstanding == 0)


def test_options_of_a_model_a_binding_or_a_call(disputed: FakeOpenAI) -> None:
    model = ChatA2R(
        config_for(disputed.url), samples=2, temperature=0.9, max_tokens=32, seed=5, stop=["!"]
    )
    model.invoke("2+2?")
    small, big = disputed.request_log.calls("small"), disputed.request_log.calls("big")
    assert sorted(body["seed"] for body in small) == [5, 6]
    for body in [*small, *big]:
        assert (body["temperature"], body["stop"]) == (0.9, ["!"])
        assert (body.get("max_completion_tokens") or body["max_tokens"]) == 32
    bound = model.bind(samples=3, temperature=0.3)
    assert bound.invoke("2+2?", seed=0).response_metadata["a2r"]["samples"] == 3
    assert disputed.request_log.requests[-1]["temperature"] == 0.3
    model.invoke("2+2?", stop=["?"], temperature=None)
    assert disputed.request_log.requests[-1]["stop"] == ["?"]
    assert disputed.request_log.requests[-1]["temperature"] == 0.9
    greedy = model.invoke("2+2?", temperature=0)
    assert "temperature 0 is ignored for the explorer" in str(greedy.response_metadata)


def test_a_configurable_field_is_set_for_a_call_and_its_stream(
    disputed: FakeOpenAI,
) -> None:
    model: Any = ChatA2R(config_for(disputed.url)).configurable_fields(
        samples=ConfigurableField(id="samples")
    )
    chunks = list(model.stream("2+2?", {"configurable": {"samples": 2}}))
    assert len(chunks) > 3
    assert join_chunks(chunks).response_metadata["a2r"]["samples"] == 2


def test_the_chat_reaches_both_roles(disputed: FakeOpenAI) -> None:
    chat = [
        SystemMessage("Be kind."),
        HumanMessage("Hi"),
        AIMessage("Hello"),
        HumanMessage("What is 2+2?"),
    ]
    ChatA2R(config_for(disputed.url)).invoke(chat)
    for body in (disputed.request_log.calls("small")[0], disputed.request_log.calls("big")[0]):
        messages = [(message["role"], message["content"]) for message in body["messages"]]
        assert messages[:3] == [("system", "Be kind."), ("user", "Hi"), ("assistant", "Hello")]
        assert "What is 2+2?" in messages[3][1]


def test_no_answer_is_an_error_and_truncation_is_a_finish_reason() -> None:
    broken = config_for("http://127.0.0.1:9/v1", explorer__retries=0)
    for ask in (ChatA2R(broken).invoke, lambda q: list(ChatA2R(broken).stream(q))):
        with pytest.raises(NoAnswerError, match="no endpoint can be reached") as raised:
            ask("2+2?")
        assert len(raised.value.result.samples) == 4
    with fake_openai(replies(small=ScriptedReply(text="Let me", finish_reason="length"))) as server:
        model = ChatA2R(config_for(server.url))
        for reply in (model.invoke("2+2?"), join_chunks(list(model.stream("2+2?")))):
            assert reply.content == "Let me"
            assert reply.response_metadata["finish_reason"] == "length"
            assert reply.usage_metadata == {**TOKENS, "input_tokens": 40, "output_tokens": 20} | {
                "total_tokens": 60
            }


def test_usage_that_is_not_reported_is_marked_as_estimated() -> None:
    with fake_openai(replies(small=ScriptedReply(text="\\boxed{4}", usage=None))) as server:
        reply = ChatA2R(config_for(server.url)).invoke("2+2?")
    spent = reply.response_metadata["a2r"]["usage"]["total"]
    assert spent["estimated"] is True
    assert reply.usage_metadata is not None
    assert reply.usage_metadata["output_tokens"] == spent["completion_tokens"]


class Listener(BaseCallbackHandler):
    def __init__(self) -> None:
        self.starts: list[tuple[str | None, list[str], Any]] = []
        self.tokens: list[Any] = []

    def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        metadata = kwargs.get("metadata") or {}
        self.starts.append(
            (metadata.get("ls_provider"), kwargs.get("tags") or [], metadata.get("team"))
        )

    def on_llm_new_token(self, token: str, **kwargs: Any) -> None:
        self.tokens.append(kwargs["chunk"].message)


def test_callbacks_receive_the_model_and_inside_a_chain_its_samples(disputed: FakeOpenAI) -> None:
    model = ChatA2R(config_for(disputed.url))
    listener, spent = Listener(), UsageMetadataCallbackHandler()
    config: Any = {"callbacks": [listener, spent], "tags": ["mine"], "metadata": {"team": "blue"}}
    chunks = list(model.stream("2+2?", config))
    assert [start[0] for start in listener.starts] == ["a2r"]
    assert join_chunks(listener.tokens).content == join_chunks(chunks).content == SOLUTION
    assert spent.usage_metadata == {"custom": TOKENS}
    chain = ChatPromptTemplate.from_messages([("user", "{question}")]) | model
    for ask in (chain.invoke, lambda value, config: list(chain.stream(value, config))):
        listener.starts.clear()
        ask({"question": "2+2?"}, config)
        assert [start[0] for start in listener.starts].count("a2r") == 1
        assert len(listener.starts) == 6
        assert all("mine" in tags and team == "blue" for _, tags, team in listener.starts)


async def test_events_of_the_model_and_of_its_samples_can_be_distinguished(
    disputed: FakeOpenAI,
) -> None:
    chain = RunnableLambda(lambda question: question) | ChatA2R(config_for(disputed.url))
    text = ""
    async for event in chain.astream_events("2+2?", version="v2", include_names=["ChatA2R"]):
        if event["event"] == "on_chat_model_stream":
            text += event["data"]["chunk"].content  # type: ignore[typeddict-item]
    assert text == SOLUTION


def test_the_recursion_limit_of_a_chain_does_not_limit_the_waves(disputed: FakeOpenAI) -> None:
    disputed.script = replies(small=[boxed(str(n)) for n in range(9)], big=boxed("5"))
    config = config_for(disputed.url, explorer__samples=None, explorer__waves=[1] * 9)
    chain = RunnableLambda(lambda question: question) | ChatA2R(config)
    assert chain.invoke("2+2?").response_metadata["a2r"]["samples"] == 9


@pytest.mark.engine
def test_a_real_model_answers_and_streams() -> None:
    small = {"explorer.samples": 2, "gate.rule": "always"}
    with A2R("tiny", overrides=small) as solver:
        model = ChatA2R(solver=solver, max_tokens=24)
        reply = model.invoke("What is 3+4?")
        joined = join_chunks(list(model.stream("What is 3+4?")))
        spent = solver.usage.total
    assert reply.content
    assert joined.content
    assert reply.usage_metadata is not None
    assert joined.usage_metadata is not None
    totals = [reply.usage_metadata["total_tokens"], joined.usage_metadata["total_tokens"]]
    assert sum(totals) == (spent.prompt_tokens or 0) + (spent.completion_tokens or 0)


async def streamed(model: Any) -> list[str]:
    """The content of a stream, sync and async."""
    native = [chunk async for chunk in model.astream("2+2?")]
    return ["".join(chunk.text for chunk in chunks) for chunks in (native, model.stream("2+2?"))]


@pytest.mark.parametrize(
    "reply",
    [
        ScriptedReply(status=400, error="bad"),
        ScriptedReply(status=401, error="no key"),
        ScriptedReply(reset=True),
        ScriptedReply(text=""),
    ],
    ids=["400", "401", "reset", "empty"],
)
async def test_a_stream_falls_back_if_no_sample_answers(reply: ScriptedReply) -> None:
    with fake_openai(lambda _body, _number: reply) as server:
        config = config_for(server.url)
        config["explorer"] = {**config["explorer"], "retries": 0}
        broken = ChatA2R(config)
        other = GenericFakeChatModel(messages=iter([AIMessage("four")] * 2))
        assert await streamed(broken.with_fallbacks([other])) == ["four", "four"]
        stream = broken.stream("2+2?")
        with pytest.raises(NoAnswerError):
            next(stream)


async def test_a_stream_falls_back_from_an_unreachable_endpoint(disputed: FakeOpenAI) -> None:
    broken = ChatA2R(config_for("http://127.0.0.1:9/v1"))
    working = ChatA2R(config_for(disputed.url))
    assert await streamed(broken.with_fallbacks([working])) == [SOLUTION, SOLUTION]


async def test_a_stream_with_some_failed_samples_shows_them(disputed: FakeOpenAI) -> None:
    failed = ScriptedReply(status=400, error="bad")
    disputed.script = replies(small=[failed, boxed("4"), failed, boxed("4")], big=boxed("5"))
    model = ChatA2R(config_for(disputed.url))
    other = GenericFakeChatModel(messages=iter([AIMessage("four")] * 2))
    chunks = list(model.with_fallbacks([other]).stream("2+2?"))
    progress = "".join(chunk.additional_kwargs.get("reasoning_content", "") for chunk in chunks)
    assert progress.count("failed") == 2
    assert "".join(chunk.text for chunk in chunks) == "I think so.\n\\boxed{4}"


def test_a_stream_of_truncated_samples_does_not_fall_back(disputed: FakeOpenAI) -> None:
    cut = ScriptedReply(text="Let me see", finish_reason="length")
    disputed.script = lambda _body, _number: cut
    other = GenericFakeChatModel(messages=iter([AIMessage("four")]))
    chunks = list(ChatA2R(config_for(disputed.url)).with_fallbacks([other]).stream("2+2?"))
    assert "".join(chunk.text for chunk in chunks) == "Let me see"
    assert "sample 4 of 4 truncated" in str(chunks)
