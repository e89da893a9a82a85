"""References truncated to the context of a real vLLM, counted by its tokenizer."""

from __future__ import annotations

import pytest

from a2r import A2R
from a2r._internal.reasoning import opening_at_end
from a2r.events import ReferencesPacked, RunFinished
from a2r.inference.endpoint_api import prompt_end
from a2r.inference.transport.http_sessions import HttpSessions
from tests.inference.vllm.servers import Servers
from tests.support.fake_openai import ScriptedReply, fake_openai, replies

pytestmark = [pytest.mark.integration, pytest.mark.vllm]

CONTEXT = 2048
REPLY = 200


def long(number: int) -> ScriptedReply:
    """A solution of some seven hundred tokens, with a different word in every sentence."""
    steps = " ".join(f"In step {n} the count of version {number} grows." for n in range(60))
    return ScriptedReply(text=f"{steps} The answer of version {number} is {number}.")


async def test_the_packed_size_matches_vllm_and_fits(servers: Servers) -> None:
    with fake_openai(replies(small=[long(n) for n in range(8)])) as explorers:
        config = servers.config(
            explorer__endpoints=[explorers.url], explorer__model="small", explorer__samples=8
        )
        config["explorer"].pop("vllm")
        events = [event async for event in A2R(config).astream("How does it grow?")]
    [packed] = [event for event in events if isinstance(event, ReferencesPacked)]
    assert isinstance(events[-1], RunFinished)
    [synthesis] = events[-1].result.synthesis
    assert synthesis.error is None
    assert packed.exact
    assert packed.cut > 0
    assert packed.tokens == synthesis.usage.prompt_tokens
    # The references use nearly all of the context that the reply leaves.
    assert 0.8 * (CONTEXT - REPLY) < packed.tokens <= CONTEXT - REPLY


async def test_the_end_of_a_prompt_is_read_from_vllm(servers: Servers) -> None:
    model = servers.config()["explorer"]["model"]
    url = f"http://127.0.0.1:{servers.replicas[0].port}/v1"
    sessions, headers = HttpSessions(), {"Content-Type": "application/json"}
    try:
        end = await prompt_end(
            sessions, url, headers, model, [{"role": "user", "content": "6 times 7?"}], {}
        )
    finally:
        await sessions.close()
    assert end is not None
    assert end.endswith("<|im_start|>assistant\n")
    assert opening_at_end(end) is None
