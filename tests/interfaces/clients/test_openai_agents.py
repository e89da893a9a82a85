"""The OpenAI Agents SDK with the server."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.support.clients import (
    QUESTION,
    SYNTHESIZED,
    Setup,
    Start,
    Sum,
    import_client,
    json_reply,
)
from tests.support.fake_openai import replies
from tests.support.serving import MODEL

agents = import_client("agents")
pytestmark = [pytest.mark.integration, pytest.mark.clients]


@pytest.fixture(autouse=True)
def _no_tracing() -> None:
    agents.set_tracing_disabled(True)


def make_agent(setup: Setup, model: str = MODEL, **options: Any) -> Any:
    chat = agents.OpenAIChatCompletionsModel(model=model, openai_client=setup.async_client)
    return agents.Agent(name="solver", model=chat, **options)


async def test_a_reply(disagreeing: Setup) -> None:
    result = await agents.Runner.run(make_agent(disagreeing), QUESTION)
    assert result.final_output == SYNTHESIZED.text
    assert result.context_wrapper.usage.total_tokens == 5 * 15


async def test_a_stream_is_one_block_of_reasoning_and_one_of_text(disagreeing: Setup) -> None:
    result = agents.Runner.run_streamed(make_agent(disagreeing), QUESTION)
    deltas = [
        (event.data.type, event.data.delta)
        async for event in result.stream_events()
        if event.type == "raw_response_event" and event.data.type.endswith("text.delta")
    ]
    kinds = [kind for kind, _ in deltas]
    blocks = [kind for kind, before in zip(kinds, [None, *kinds], strict=False) if kind != before]
    assert blocks == ["response.reasoning_summary_text.delta", "response.output_text.delta"]
    assert "votes: 2 for 42" in "".join(text for kind, text in deltas if kind == blocks[0])
    assert "".join(text for kind, text in deltas if kind == blocks[1]) == SYNTHESIZED.text
    assert result.final_output == SYNTHESIZED.text
    assert [item.type for item in result.new_items] == ["reasoning_item", "message_output_item"]


async def test_typed_output(start: Start) -> None:
    setup = start(replies(small=json_reply(42)))
    result = await agents.Runner.run(make_agent(setup, output_type=Sum), QUESTION)
    assert result.final_output == Sum(terms=[12, 30], total=42)


async def test_an_unknown_model(agreeing: Setup) -> None:
    with pytest.raises(openai.NotFoundError, match=f"did you mean '{MODEL}'"):
        await agents.Runner.run(make_agent(agreeing, f"{MODEL}e"), QUESTION)


async def test_the_responses_api_is_rejected_by_name(agreeing: Setup) -> None:
    chat = agents.OpenAIResponsesModel(model=MODEL, openai_client=agreeing.async_client)
    with pytest.raises(openai.NotFoundError, match="/v1/responses"):
        await agents.Runner.run(agents.Agent(name="solver", model=chat), QUESTION)
