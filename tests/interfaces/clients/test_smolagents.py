"""smolagents with the server: a model, an agent that writes code, and one that calls tools."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.support.clients import QUESTION, SYNTHESIZED, Setup, Start, import_client
from tests.support.fake_openai import ScriptedReply, replies
from tests.support.serving import MODEL

smolagents = import_client("smolagents")
pytestmark = [pytest.mark.integration, pytest.mark.clients]
PROGRAM = ScriptedReply(text="Thought: I add.\n<code>\nfinal_answer(12 + 30)\n</code>")


def make_model(setup: Setup, model: str = MODEL) -> Any:
    return smolagents.OpenAIModel(
        model_id=model, api_base=setup.server.url, api_key="none", client_kwargs={"max_retries": 0}
    )


def question() -> list[Any]:
    return [smolagents.ChatMessage(role=smolagents.MessageRole.USER, content=QUESTION)]


def test_a_reply(disagreeing: Setup) -> None:
    reply = make_model(disagreeing).generate(question())
    assert reply.content == SYNTHESIZED.text
    usage = reply.token_usage
    assert usage.input_tokens + usage.output_tokens == 5 * 15


def test_a_stream(disagreeing: Setup) -> None:
    deltas = make_model(disagreeing).generate_stream(question())
    assert "".join(delta.content or "" for delta in deltas) == SYNTHESIZED.text


@pytest.mark.parametrize("stream", [False, True])
def test_an_agent_that_writes_code(start: Start, stream: bool) -> None:
    setup = start(replies(small=PROGRAM, big=PROGRAM))
    agent = smolagents.CodeAgent(
        tools=[], model=make_model(setup), stream_outputs=stream, verbosity_level=0
    )
    assert agent.run(QUESTION) == 42


def test_an_agent_that_calls_tools_is_rejected_by_name(agreeing: Setup) -> None:
    agent = smolagents.ToolCallingAgent(tools=[], model=make_model(agreeing), verbosity_level=0)
    with pytest.raises(smolagents.AgentGenerationError, match="'tools' is not supported"):
        agent.run(QUESTION)


def test_an_unknown_model(agreeing: Setup) -> None:
    with pytest.raises(openai.NotFoundError, match=f"did you mean '{MODEL}'"):
        make_model(agreeing, f"{MODEL}e").generate(question())
