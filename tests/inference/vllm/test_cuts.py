"""Runs that end before their samples: generation stops, and the usage is reported."""

from __future__ import annotations

import asyncio

import pytest

from a2r import A2R
from a2r.errors import NoAnswerError
from tests.inference.vllm.servers import Counters, Servers, until

pytestmark = [pytest.mark.integration, pytest.mark.vllm]

SAMPLES = 4
PROBED = 20
# The tokens that vLLM generates after the last reported one of a cancelled request, until it
# processes the cancellation; more on a busy machine.
LATE_TOKENS = 8


def endless(servers: Servers, **changes: object) -> A2R:
    """A solver whose samples continue to the end of the context."""
    sampling = {"temperature": 0.7, "max_tokens": 1900, "extra_body": {"ignore_eos": True}}
    return A2R(servers.config(explorer__sampling=sampling, explorer__samples=SAMPLES, **changes))


async def assert_nothing_is_generated(servers: Servers) -> None:
    """Check that each server generates no tokens except those of one new request."""
    before = servers.counters()
    for replica in servers.replicas:
        config = servers.config(
            explorer__endpoints=[replica.endpoint],
            explorer__samples=1,
            explorer__sampling={"max_tokens": PROBED, "extra_body": {"ignore_eos": True}},
            synthesizer=None,
            gate__rule="never",
        )
        with pytest.raises(NoAnswerError):
            await A2R(config).aask("Say hello.")
    spent = servers.counters() - before
    assert spent.completion_tokens == PROBED * len(servers.replicas)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_cancelled_question_stops_its_samples(servers: Servers, stream: bool) -> None:
    before = await servers.idle()
    solver = endless(servers, explorer__stream=stream)
    question = asyncio.create_task(solver.aask("Tell me a story."))

    def all_write() -> bool:
        spent = servers.counters() - before
        return spent.running == SAMPLES and spent.completion_tokens > 10 * SAMPLES

    await until(all_write, seconds=30)
    question.cancel()
    with pytest.raises(asyncio.CancelledError):
        await question
    await servers.idle()
    await assert_nothing_is_generated(servers)


async def test_a_question_past_its_deadline_reports_its_usage(servers: Servers) -> None:
    before = await servers.idle()
    with pytest.raises(NoAnswerError) as caught:
        await endless(servers, deadline__question=5).aask("Tell me a story.")
    spent = await servers.idle() - before
    samples = caught.value.result.samples
    for sample in samples:
        assert (sample.status, sample.error_type) == ("cancelled", "deadline")
        assert sample.usage.estimated
        assert (sample.usage.completion_tokens or 0) > 10
    usage = caught.value.result.usage.total
    assert usage.estimated
    assert usage.prompt_tokens == spent.prompt_tokens
    assert _within(spent, usage.completion_tokens or 0)
    await assert_nothing_is_generated(servers)


async def test_a_question_past_its_deadline_estimates_unreported_usage(servers: Servers) -> None:
    before = await servers.idle()
    with pytest.raises(NoAnswerError) as caught:
        await endless(servers, deadline__question=5, explorer__stream=False).aask("Tell a story.")
    spent = await servers.idle() - before
    usage = caught.value.result.usage.total
    assert usage.estimated
    assert usage.calls == SAMPLES
    assert (usage.completion_tokens or 0) > 0
    assert spent.completion_tokens > 0


def _within(spent: Counters, reported: int) -> bool:
    return reported <= spent.completion_tokens <= reported + LATE_TOKENS * SAMPLES
