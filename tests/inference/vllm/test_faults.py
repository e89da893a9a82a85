"""Requests that vLLM rejects, and the reported errors."""

from __future__ import annotations

import json
import re
import urllib.request

import pytest

from a2r import A2R
from a2r.errors import NoAnswerError
from tests.inference.vllm.servers import Servers

pytestmark = [pytest.mark.integration, pytest.mark.vllm]

CONTEXT = 2048


async def test_a_wrong_model_name_is_reported_with_the_served_name(servers: Servers) -> None:
    with pytest.raises(NoAnswerError) as caught:
        await A2R(servers.config(explorer__model="SmolLM3")).aask("What is 2+2?")
    assert re.search(r"'SmolLM3' not served .*SmolLM2-135M-Instruct", str(caught.value))
    for sample in caught.value.result.samples:
        assert (sample.status, sample.error_type) == ("failed", "rejected")
        assert sample.usage.completion_tokens == 0


async def test_a_prompt_beyond_the_context_reports_the_excess(servers: Servers) -> None:
    question = "word " * 3000
    config = servers.config(prompts={"explorer": {"text": "{question}"}})
    with pytest.raises(NoAnswerError) as caught:
        await A2R(config).aask(question)
    excess = prompt_tokens(servers, question) - CONTEXT
    for sample in caught.value.result.samples:
        assert (sample.status, sample.error_type) == ("failed", "context_overflow")
        match = re.search(r"by (\d+) tokens", sample.error or "")
        assert match, sample.error
        # With or without the one token that a reply needs at least.
        assert int(match[1]) in (excess, excess + 1)
        assert sample.usage.calls == 1


@pytest.mark.parametrize("max_tokens", [1, 200])
async def test_a_prompt_that_leaves_no_token_is_beyond_the_context(
    servers: Servers, max_tokens: int
) -> None:
    words = 2000
    words += CONTEXT - prompt_tokens(servers, "word " * words)
    assert prompt_tokens(servers, "word " * words) == CONTEXT
    config = servers.config(
        prompts={"explorer": {"text": "{question}"}}, explorer__sampling__max_tokens=max_tokens
    )
    with pytest.raises(NoAnswerError) as caught:
        await A2R(config).aask("word " * words)
    assert {sample.error_type for sample in caught.value.result.samples} == {"context_overflow"}


async def test_a_token_limit_beyond_the_context_is_an_overflow(servers: Servers) -> None:
    with pytest.raises(NoAnswerError) as caught:
        await A2R(servers.config(explorer__sampling__max_tokens=5000)).aask("What is 2+2?")
    assert {sample.error_type for sample in caught.value.result.samples} == {"context_overflow"}
    assert "max_tokens" in str(caught.value.result.samples[0].error)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_rejected_parameter_is_reported_and_not_retried(
    servers: Servers, stream: bool
) -> None:
    extra = {"logprobs": True, "top_logprobs": 50}
    config = servers.config(explorer__sampling__extra_body=extra, explorer__stream=stream)
    with pytest.raises(NoAnswerError) as caught:
        await A2R(config).aask("What is 2+2?")
    for sample in caught.value.result.samples:
        assert (sample.status, sample.error_type) == ("failed", "rejected")
        assert "logprobs of 50" in (sample.error or "")
        assert sample.usage.calls == 1


def prompt_tokens(servers: Servers, content: str) -> int:
    """The number of prompt tokens of a question, counted by vLLM."""
    body = json.dumps({"messages": [{"role": "user", "content": content}]}).encode()
    request = urllib.request.Request(
        f"{servers.replicas[0].endpoint.removesuffix('/v1')}/tokenize",
        body,
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)["count"]
