"""pydantic-ai with the server."""

from __future__ import annotations

from typing import Any

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

pydantic_ai = import_client("pydantic_ai")
openai_models = import_client("pydantic_ai.models.openai")
openai_provider = import_client("pydantic_ai.providers.openai")
pytestmark = [pytest.mark.integration, pytest.mark.clients]


def make_agent(setup: Setup, model: str = MODEL, **options: Any) -> Any:
    provider = openai_provider.OpenAIProvider(openai_client=setup.async_client)
    return pydantic_ai.Agent(openai_models.OpenAIChatModel(model, provider=provider), **options)


async def test_a_reply(disagreeing: Setup) -> None:
    result = await make_agent(disagreeing).run(QUESTION)
    assert result.output == SYNTHESIZED.text
    assert result.usage.total_tokens == 5 * 15


async def test_a_stream_is_one_block_of_thinking_and_one_of_text(disagreeing: Setup) -> None:
    async with make_agent(disagreeing).run_stream(QUESTION) as result:
        texts = [text async for text in result.stream_text(delta=True, debounce_by=None)]
        response = result.response
    assert "".join(texts) == SYNTHESIZED.text
    thinking, text = response.parts
    assert (thinking.part_kind, text.part_kind) == ("thinking", "text")
    assert "votes: 2 for 42" in thinking.content
    assert text.content == SYNTHESIZED.text


@pytest.mark.parametrize("output", ["NativeOutput", "PromptedOutput"])
async def test_typed_output(start: Start, output: str) -> None:
    setup = start(replies(small=json_reply(42)))
    agent = make_agent(setup, output_type=getattr(pydantic_ai, output)(Sum))
    assert (await agent.run(QUESTION)).output == Sum(terms=[12, 30], total=42)


async def test_output_by_a_tool_is_rejected_by_name(agreeing: Setup) -> None:
    with pytest.raises(pydantic_ai.ModelHTTPError, match="'tools' is not supported"):
        await make_agent(agreeing, output_type=Sum).run(QUESTION)


async def test_an_unknown_model(agreeing: Setup) -> None:
    with pytest.raises(pydantic_ai.ModelHTTPError, match=f"did you mean '{MODEL}'"):
        await make_agent(agreeing, f"{MODEL}e").run(QUESTION)
