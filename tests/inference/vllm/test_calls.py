"""Results of questions, compared with vLLM's counters."""

from __future__ import annotations

import asyncio
from typing import Any

import psutil
import pytest

from a2r import A2R
from a2r.errors import NoAnswerError
from a2r.workflow.answer_recovery import CUE
from tests.inference.vllm.servers import Servers, run_question, until

pytestmark = [pytest.mark.integration, pytest.mark.vllm]

SHORT = "What is the capital of France? Answer in one short sentence."
STATUSES_BY_FINISH_REASON = {"stop": {"answered", "abstained"}, "length": {"truncated"}}


async def test_the_graph_runs_through_both_stages(servers: Servers) -> None:
    result = await A2R(servers.config(gate__rule="always")).aask(SHORT)
    assert [sample.index for sample in result.samples] == [0, 1, 2, 3]
    for sample in result.samples:
        assert sample.status in STATUSES_BY_FINISH_REASON[sample.finish_reason or ""]
        assert sample.endpoint in {replica.endpoint for replica in servers.replicas}
        assert sample.seconds is not None
        assert sample.error is None
    assert len({sample.text for sample in result.samples}) > 1
    [synthesis] = result.synthesis
    assert synthesis.status in STATUSES_BY_FINISH_REASON[synthesis.finish_reason or ""]
    assert any("Paris" in sample.text for sample in result.samples)
    assert result.text
    assert result.usage.total.calls == 5
    assert not result.usage.total.estimated


async def test_samples_at_the_token_limit_are_truncated(servers: Servers) -> None:
    solver = A2R(servers.config(explorer__sampling__max_tokens=5))
    with pytest.raises(NoAnswerError) as caught:
        await solver.aask("Tell me a long story.")
    for sample in caught.value.result.samples:
        assert (sample.status, sample.finish_reason) == ("truncated", "length")
        assert sample.usage.completion_tokens == 5
        assert sample.text


async def test_a_token_limit_beyond_the_context_truncates_at_the_context(servers: Servers) -> None:
    config = servers.config(
        explorer__samples=1,
        explorer__sampling={"max_tokens": 2048, "extra_body": {"ignore_eos": True}},
        synthesizer=None,
        gate__rule="never",
    )
    with pytest.raises(NoAnswerError) as caught:
        await A2R(config).aask("word " * 1900)
    [sample] = caught.value.result.samples
    assert (sample.status, sample.finish_reason) == ("truncated", "length")
    assert (sample.usage.prompt_tokens or 0) + (sample.usage.completion_tokens or 0) == 2048


@pytest.mark.parametrize("stream", [True, False])
async def test_the_usage_matches_vllm(servers: Servers, stream: bool) -> None:
    before = await servers.idle()
    limit: dict[str, Any] = {"explorer__sampling__max_tokens": 60, "explorer__stream": stream}
    solver = A2R(servers.config(**limit, synthesizer__stream=stream))
    questions = [SHORT, "Name a colour.", "How many legs has a cat?"]
    results = await asyncio.gather(*(run_question(solver, question) for question in questions))
    spent = await servers.idle() - before
    totals = [result.usage.total for result in results]
    assert sum(total.prompt_tokens or 0 for total in totals) == spent.prompt_tokens
    assert sum(total.completion_tokens or 0 for total in totals) == spent.completion_tokens
    assert sum(total.calls for total in totals) == spent.requests
    assert not any(total.estimated for total in totals)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_recovery_continues_the_text_of_its_sample(servers: Servers, stream: bool) -> None:
    before = await servers.idle()
    config = servers.config(
        kind="math",
        explorer__samples=1,
        explorer__stream=stream,
        explorer__sampling={"max_tokens": 64, "temperature": 0},
        prompts__explorer={"math": "{question}"},
        answers__recover=True,
    )
    solver = A2R(config)
    result = await solver.aask("Say that you can count.")
    spent = await servers.idle() - before
    [sample] = result.samples
    recovery = sample.recovery
    assert recovery is not None
    assert (recovery.status, recovery.error) == ("answered", None)
    assert sample.text.endswith(f"{CUE} {recovery.text}")
    # vLLM has continued the text: it was recognized, and has not rejected the request.
    endpoint = solver.workflow.models.load_balancer.endpoint(recovery.endpoint or "")
    assert endpoint.continues_messages
    assert (sample.usage.calls, spent.requests) == (2, 2)
    assert (sample.usage.prompt_tokens, sample.usage.completion_tokens) == (
        spent.prompt_tokens,
        spent.completion_tokens,
    )


async def test_samples_of_a_question_share_its_prefix_on_one_replica(servers: Servers) -> None:
    before = [replica.counters() for replica in servers.replicas]
    config = servers.config(explorer__samples=8, explorer__sampling__max_tokens=4)
    result = await run_question(A2R(config), f"How many words are these? {'river ' * 700}")
    assert len({sample.endpoint for sample in result.samples}) == 1
    after = [replica.counters() for replica in servers.replicas]
    spent = [now - then for now, then in zip(after, before, strict=True)]
    assert sorted(each.requests for each in spent) == [0, 8]
    # Samples that start in the step of the first (two fit) cannot reuse its prefix yet.
    assert sum(each.cached_tokens for each in spent) >= 5 * 640


async def test_questions_spread_over_the_replicas(servers: Servers) -> None:
    before = [replica.counters() for replica in servers.replicas]
    solver = A2R(servers.config(explorer__samples=2, explorer__sampling__max_tokens=8))
    questions = [f"Say {n} again and again." for n in range(6)]
    await asyncio.gather(*(run_question(solver, question) for question in questions))
    after = [replica.counters() for replica in servers.replicas]
    requests = [(now - then).requests for now, then in zip(after, before, strict=True)]
    assert sum(requests) >= 12
    assert min(requests) >= 4


async def test_a_connection_closed_by_the_server_causes_no_retry(servers: Servers) -> None:
    solver = A2R(servers.config(explorer__sampling__max_tokens=2))
    await run_question(solver, SHORT)
    ports = {replica.port for replica in servers.replicas}

    def closed() -> bool:
        return not any(
            connection.raddr and connection.raddr.port in ports
            for connection in psutil.Process().net_connections(kind="tcp")
            if connection.status == psutil.CONN_ESTABLISHED
        )

    assert not closed()
    await until(closed, seconds=15)
    total = (await run_question(solver, SHORT)).usage.total
    assert total.calls == 4
    assert not total.estimated
