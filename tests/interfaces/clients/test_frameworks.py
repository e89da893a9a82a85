"""Agent frameworks and clients that talk to the server as to any endpoint of OpenAI's API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.clients import IN_JSON, QUESTION, Setup, Start, Sum
from tests.support.fake_openai import replies
from tests.support.serving import MODEL

pytestmark = [pytest.mark.integration, pytest.mark.clients]
TOTAL = Sum(terms=[12, 30], total=42)


@pytest.fixture
def in_json(start: Start) -> Setup:
    return start(replies(small=IN_JSON))


@pytest.fixture(autouse=True)
def _without_telemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_AGENTS_DISABLE_TRACING", "1")
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")


def one_block(parts: list[tuple[str, str]], text: str) -> None:
    """Check that all reasoning comes before the text, and that the text is complete."""
    kinds = [kind for kind, _ in parts]
    assert kinds == sorted(kinds, reverse=True)
    assert "reasoning" in kinds
    assert "".join(part for kind, part in parts if kind == "content") == text


class TestLiteLLM:
    """The SDK of LiteLLM, with its two providers for such endpoints."""

    @pytest.fixture(params=["openai", "hosted_vllm"])
    def options(self, request: pytest.FixtureRequest, disagreeing: Setup) -> dict[str, Any]:
        messages = [{"role": "user", "content": QUESTION}]
        model = f"{request.param}/{MODEL}"
        url = disagreeing.server.url
        return {"model": model, "api_base": url, "api_key": "none", "messages": messages}

    def test_a_reply(self, options: dict[str, Any]) -> None:
        import litellm

        reply = litellm.completion(**options)
        assert "\\boxed{42}" in reply.choices[0].message.content
        assert reply.usage.total_tokens > 0

    def test_a_stream(self, options: dict[str, Any]) -> None:
        import litellm

        parts = []
        for chunk in litellm.completion(**options, stream=True):
            delta = chunk.choices[0].delta
            if getattr(delta, "reasoning_content", None):
                parts.append(("reasoning", delta.reasoning_content))
            if delta.content:
                parts.append(("content", delta.content))
        one_block(parts, litellm.completion(**options).choices[0].message.content)

    def test_an_unknown_model(self, options: dict[str, Any]) -> None:
        import litellm

        options["model"] += "e"
        with pytest.raises(litellm.NotFoundError, match=MODEL):
            litellm.completion(**options)


class TestAgentsSDK:
    """OpenAI's Agents SDK with chat completions."""

    @staticmethod
    def agent(setup: Setup, **options: Any) -> Any:
        from agents import Agent, OpenAIChatCompletionsModel

        model = OpenAIChatCompletionsModel(model=MODEL, openai_client=setup.async_client)
        return Agent(name="solver", model=model, **options)

    async def test_a_reply(self, disagreeing: Setup) -> None:
        from agents import Runner

        result = await Runner.run(self.agent(disagreeing), QUESTION)
        assert "\\boxed{42}" in result.final_output

    async def test_a_stream(self, disagreeing: Setup) -> None:
        from agents import Runner

        result = Runner.run_streamed(self.agent(disagreeing), QUESTION)
        kinds = [
            event.data.type
            async for event in result.stream_events()
            if event.type == "raw_response_event"
        ]
        assert "\\boxed{42}" in result.final_output
        texts = [n for n, kind in enumerate(kinds) if kind == "response.output_text.delta"]
        thoughts = [n for n, kind in enumerate(kinds) if "reasoning" in kind and "delta" in kind]
        assert thoughts
        assert max(thoughts) < min(texts)

    async def test_an_output_type(self, in_json: Setup) -> None:
        from agents import Runner

        result = await Runner.run(self.agent(in_json, output_type=Sum), QUESTION)
        assert result.final_output == TOTAL


class TestPydanticAI:
    """pydantic-ai with its model of chat completions."""

    @staticmethod
    def agent(setup: Setup, **options: Any) -> Any:
        from pydantic_ai import Agent
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.providers.openai import OpenAIProvider

        provider = OpenAIProvider(base_url=setup.server.url, api_key="none")
        return Agent(OpenAIChatModel(MODEL, provider=provider), **options)

    async def test_a_reply(self, disagreeing: Setup) -> None:
        result = await self.agent(disagreeing).run(QUESTION)
        assert "\\boxed{42}" in result.output

    async def test_a_stream(self, disagreeing: Setup) -> None:
        async with self.agent(disagreeing).run_stream(QUESTION) as stream:
            texts = [text async for text in stream.stream_text(delta=True)]
        assert "".join(texts).endswith("\\boxed{42}")

    @pytest.mark.parametrize("name", ["NativeOutput", "PromptedOutput"])
    async def test_typed_output(self, in_json: Setup, name: str) -> None:
        import pydantic_ai

        output_type = getattr(pydantic_ai, name)(Sum)
        result = await self.agent(in_json, output_type=output_type).run(QUESTION)
        assert result.output == TOTAL

    async def test_tools_are_refused_by_name(self, agreeing: Setup) -> None:
        from pydantic_ai.exceptions import ModelHTTPError

        with pytest.raises(ModelHTTPError, match="tools"):
            await self.agent(agreeing, output_type=Sum).run(QUESTION)


def test_smolagents(agreeing: Setup) -> None:
    from smolagents import ChatMessage, OpenAIModel

    model = OpenAIModel(model_id=MODEL, api_base=agreeing.server.url, api_key="none")
    content = [{"type": "text", "text": QUESTION}]
    reply = model([ChatMessage(role="user", content=content)])
    assert "\\boxed{42}" in reply.content


def test_llm(in_json: Setup, tmp_path: Path) -> None:
    models = [
        {
            "model_id": "a2r",
            "model_name": MODEL,
            "api_base": in_json.server.url,
            "supports_schema": True,
        }
    ]
    (tmp_path / "extra-openai-models.yaml").write_text(yaml.safe_dump(models))
    environment = {**os.environ, "LLM_USER_PATH": str(tmp_path), "OPENAI_API_KEY": "none"}
    command = [sys.executable, "-m", "llm", "-m", "a2r", QUESTION]
    for options in ([], ["--no-stream"], ["--schema", json.dumps(Sum.model_json_schema())]):
        reply = subprocess.run(
            [*command, *options], env=environment, capture_output=True, text=True, check=False
        )
        assert reply.returncode == 0, reply.stderr
        assert Sum.model_validate_json(reply.stdout) == TOTAL


def test_inspect(disagreeing: Setup, tmp_path: Path) -> None:
    from inspect_ai import Task, eval
    from inspect_ai.dataset import Sample
    from inspect_ai.model import get_model
    from inspect_ai.scorer import includes

    url = disagreeing.server.url
    model = get_model(f"openai-api/a2r/{MODEL}", base_url=url, api_key="none")
    dataset = [Sample(input=QUESTION, target=target) for target in ("\\boxed{42}", "43!")]
    task = Task(dataset=dataset, scorer=includes())
    (log,) = eval(task, model=model, log_dir=str(tmp_path), display="none")
    assert log.status == "success"
    assert log.results is not None
    assert log.results.scores[0].metrics["accuracy"].value == 0.5
