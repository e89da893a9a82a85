"""LiteLLM's SDK with the server, with both of its providers."""

from __future__ import annotations

import pytest

from tests.support.clients import (
    AGREEING,
    MESSAGES,
    SYNTHESIZED,
    Setup,
    Start,
    Sum,
    delta_texts,
    import_client,
    join_deltas,
    json_reply,
)
from tests.support.fake_openai import replies
from tests.support.serving import MODEL

litellm = import_client("litellm")
pytestmark = [
    pytest.mark.integration,
    pytest.mark.clients,
    pytest.mark.parametrize("model", [f"openai/{MODEL}", f"hosted_vllm/{MODEL}"]),
]


def options(setup: Setup, model: str) -> dict[str, object]:
    return {
        "model": model,
        "api_base": setup.server.url,
        "api_key": "none",
        "messages": MESSAGES,
        "num_retries": 0,
        "max_retries": 0,
    }


def test_a_reply(disagreeing: Setup, model: str) -> None:
    reply = litellm.completion(**options(disagreeing, model))
    assert reply.choices[0].message.content.strip() == SYNTHESIZED.text
    assert reply.usage.total_tokens == 5 * 15


def test_a_stream(disagreeing: Setup, model: str) -> None:
    chunks = list(litellm.completion(**options(disagreeing, model), stream=True))
    kinds = [kind for kind, _ in delta_texts(chunks)]
    assert kinds == sorted(kinds, reverse=True)
    assert "votes: 2 for 42" in join_deltas(chunks, "reasoning_content")
    assert join_deltas(chunks, "content") == SYNTHESIZED.text


def test_json(start: Start, model: str) -> None:
    setup = start(replies(small=json_reply(42)))
    reply = litellm.completion(**options(setup, model), response_format=Sum)
    parsed = Sum.model_validate_json(reply.choices[0].message.content)
    assert parsed == Sum(terms=[12, 30], total=42)


def test_fields_of_vllm_are_passed_on(start: Start, model: str) -> None:
    setup = start(replies(small=AGREEING))
    thinking = {"enable_thinking": False}
    litellm.completion(
        **options(setup, model), extra_body={"top_k": 5, "chat_template_kwargs": thinking}
    )
    assert {call["top_k"] for call in setup.explorer} == {5}
    assert all(call["chat_template_kwargs"] == thinking for call in setup.explorer)


@pytest.mark.parametrize("stream", [False, True])
def test_an_unknown_model(agreeing: Setup, model: str, stream: bool) -> None:
    with pytest.raises(litellm.NotFoundError, match=f"did you mean '{MODEL}'"):
        litellm.completion(**options(agreeing, f"{model}e"), stream=stream)


def test_a_tool_is_rejected_by_name(agreeing: Setup, model: str) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    with pytest.raises(litellm.BadRequestError, match="'tools' is not supported"):
        litellm.completion(**options(agreeing, model), tools=[tool])
