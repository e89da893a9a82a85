"""Requests that continue an assistant's message, or ask in a new one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from a2r import A2R
from a2r.inference.cancel_token import CancelToken
from a2r.inference.types import Continuation, ModelReply, Request
from tests.fault_server import Behavior, FaultServer
from tests.support.fake_openai import FakeOpenAI, ScriptedReply, config_for

TEXT, CUE = "I add them.", "\n\nThe answer is:"
CONTINUATION = Continuation(text=TEXT, cue=CUE, instruction="The answer only.")
CONTINUED = {"role": "assistant", "content": f"{TEXT}{CUE}"}
ASKED = [
    {"role": "assistant", "content": TEXT},
    {"role": "user", "content": "The answer only."},
]
REQUEST = Request(
    role="explorer",
    messages=[{"role": "user", "content": "12 + 30?"}],
    seed=0,
    timeout=30,
    max_tokens=8,
    continuation=CONTINUATION,
)


def test_the_messages_of_a_request() -> None:
    question = REQUEST.messages[0]
    assert REQUEST.prompt(continues=True) == [question, CONTINUED]
    assert REQUEST.prompt() == [question, *ASKED]
    assert replace(REQUEST, continuation=None).prompt(continues=True) == [question]


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("42", "42"),
        (f"{TEXT}{CUE} 42", "42"),
        (f"{TEXT}{CUE}", ""),
        (f"Again: {TEXT}{CUE} 42", f"Again: {TEXT}{CUE} 42"),
    ],
)
def test_an_echo_of_the_continued_message_is_removed(text: str, new: str) -> None:
    assert CONTINUATION.without_echo(text) == new


async def complete(url: str, request: Request = REQUEST, **changes: Any) -> ModelReply:
    async with A2R(config_for(url, **changes)) as solver:
        reply = await solver.workflow.models.complete(request)
        assert solver.usage.explorer == reply.usage
        return reply


@pytest.mark.integration
@pytest.mark.parametrize("stream", [True, False])
async def test_a_message_is_continued(stream: bool) -> None:
    with FaultServer(Behavior(text=" 42")) as server:
        reply = await complete(server.url, explorer__stream=stream)
        [body] = server.request_log.requests
        log = server.request_log
        assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (
            *(log.prompt_tokens, log.generated),
        )
    assert (reply.status, reply.text) == ("answered", "42")
    assert body["messages"][-1] == CONTINUED
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)
    assert body["max_tokens"] == 8


@pytest.mark.integration
@pytest.mark.parametrize(
    ("finish_reason", "expected"), [("stop", ("42", "")), ("length", ("", "42"))]
)
async def test_a_continuation_that_a_parser_takes_for_thinking(
    finish_reason: str, expected: tuple[str, str]
) -> None:
    behavior = Behavior(reasoning="42", tokens=0, finish_reason=finish_reason)
    with FaultServer(behavior) as server:
        reply = await complete(server.url)
        thinking = await complete(server.url, replace(REQUEST, continuation=None))
    assert (reply.text, reply.thinking) == expected
    assert (thinking.text, thinking.thinking) == ("", "42")


@pytest.mark.integration
async def test_the_list_of_models_is_read_once() -> None:
    with FaultServer(Behavior(text="42")) as server:
        async with A2R(config_for(server.url)) as solver:
            models = solver.workflow.models
            endpoint = models.load_balancer.endpoint(server.url)
            await models.complete(replace(REQUEST, continuation=None))
            assert endpoint.continues_messages is None
            await models.complete(REQUEST)
            assert endpoint.continues_messages is True
            endpoint.continues_messages = False
            await models.complete(REQUEST)
        assert server.request_log.requests[1]["messages"][-1] == CONTINUED
        assert server.request_log.requests[2]["messages"][1:] == ASKED


class ListingServer(FakeOpenAI):
    """A server whose list of models is scripted."""

    def __init__(self, listing: Any, status: int) -> None:
        super().__init__(lambda body, n: ScriptedReply(text="42"))
        self.listing, self.status = listing, status

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response(self.listing, status=self.status)


def owners(*names: object) -> Mapping[str, Any]:
    return {"data": [{"id": f"model {n}", "owned_by": name} for n, name in enumerate(names)]}


@pytest.mark.integration
@pytest.mark.parametrize(
    ("listing", "status", "continues"),
    [
        (owners("vllm"), 200, True),
        (owners("llamacpp"), 200, True),
        (owners("sglang", "sglang"), 200, True),
        (owners("vllm", "openai"), 200, False),
        (owners({"name": "vllm"}), 200, False),
        ({"data": [{"id": "small"}]}, 200, False),
        ({"data": []}, 200, False),
        ([], 200, False),
        ({}, 404, False),
        ({}, 503, None),
    ],
)
async def test_the_list_of_models_decides(
    listing: Any, status: int, continues: bool | None
) -> None:
    with ListingServer(listing, status) as server:
        async with A2R(config_for(server.url)) as solver:
            models = solver.workflow.models
            reply = await models.complete(REQUEST)
            assert models.load_balancer.endpoint(server.url).continues_messages is continues
        [body] = server.request_log.requests
    assert reply.text == "42"
    assert body["messages"][1:] == ([CONTINUED] if continues else ASKED)
    assert body.get("continue_final_message", False) == bool(continues)


@pytest.mark.integration
async def test_a_rejected_continuation_is_asked_and_uses_no_retry() -> None:
    def script(body: dict[str, Any], number: int) -> Behavior:
        if body.get("continue_final_message"):
            return Behavior(status=400, error="no such template")
        return Behavior(text="42")

    with FaultServer(script) as server:
        reply = await complete(server.url, explorer__retries=0)
        assert server.request_log.arrived == reply.usage.calls == 2
        assert reply.usage.prompt_tokens == server.request_log.prompt_tokens
    assert (reply.status, reply.text, reply.error) == ("answered", "42", None)


@pytest.mark.integration
async def test_another_rejection_fails_the_call() -> None:
    with FaultServer(Behavior(status=400, error="no")) as server:
        reply = await complete(server.url)
        assert server.request_log.arrived == reply.usage.calls == 2
    assert (reply.status, reply.error_type) == ("failed", "rejected")


@pytest.mark.integration
async def test_the_deadline_of_a_sample_includes_its_earlier_calls() -> None:
    deadline = {"call": 20, "question": 40, "sample": 10}
    with FaultServer(Behavior(text="42")) as server:
        late = await complete(server.url, replace(REQUEST, elapsed=10.0), deadline=deadline)
        assert server.request_log.arrived == late.usage.calls == 0
        early = await complete(server.url, replace(REQUEST, elapsed=1.0), deadline=deadline)
    assert (late.status, late.error_type) == ("failed", "deadline")
    assert "the sample's deadline passed" in (late.error or "")
    assert early.status == "answered"


@pytest.mark.integration
async def test_a_cancelled_call_sends_nothing() -> None:
    token = CancelToken()
    token.cancel("decided")
    with FaultServer(Behavior(text="42")) as server:
        reply = await complete(server.url, replace(REQUEST, cancel_token=token))
        assert server.request_log.arrived == reply.usage.calls == 0
    assert (reply.status, reply.error, reply.error_type) == ("cancelled", "decided", "stopped")
