"""The openai package with the server's errors, and with unparsable answers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import openai
import pytest

from a2r.interfaces.http.api_keys import add_key
from a2r.interfaces.http.settings import ServerSettings
from tests.support.clients import AGREEING, MESSAGES, Setup, Start, Sum
from tests.support.fake_openai import ScriptedReply, replies
from tests.support.serving import MODEL

pytestmark = pytest.mark.integration

NO_SCHEMA = {"name": "x", "schema": {"type": "nonsense"}}


@pytest.mark.parametrize(
    ("options", "kind", "code", "param"),
    [
        ({"model": "gpt-4"}, openai.NotFoundError, "model_not_found", "model"),
        ({"temperature": 3}, openai.BadRequestError, "decimal_above_max_value", "temperature"),
        ({"temperature": "hot"}, openai.BadRequestError, "invalid_type", "temperature"),
        ({"messages": []}, openai.BadRequestError, "empty_array", "messages"),
        ({"n": 100}, openai.BadRequestError, "integer_above_max_value", "n"),
        ({"stop": ["x", None]}, openai.BadRequestError, "invalid_type", "stop[1]"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}]},
            openai.BadRequestError,
            "invalid_type",
            "messages[0].content[0].text",
        ),
        (
            {"response_format": {"type": "json_schema"}},
            openai.BadRequestError,
            "missing_required_parameter",
            "response_format.json_schema",
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": NO_SCHEMA}},
            openai.BadRequestError,
            "invalid_value",
            "response_format.json_schema.schema",
        ),
        ({"extra_body": {"nope": 1}}, openai.BadRequestError, "unknown_parameter", "nope"),
        ({"logprobs": True}, openai.BadRequestError, "unsupported_parameter", "logprobs"),
        (
            {"tools": [{"type": "function", "function": {"name": "f"}}]},
            openai.BadRequestError,
            "unsupported_parameter",
            "tools",
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_invalid_request(
    agreeing: Setup,
    options: dict[str, Any],
    kind: type[openai.APIStatusError],
    code: str,
    param: str,
    stream: bool,
) -> None:
    request: dict[str, Any] = {"model": MODEL, "messages": MESSAGES, "stream": stream, **options}
    with pytest.raises(kind) as raised:
        agreeing.client.chat.completions.create(**request)
    error = raised.value
    assert (error.code, error.param, error.type) == (code, param, "invalid_request_error")
    assert error.request_id == error.response.headers["x-request-id"]
    assert agreeing.fake.request_log.requests == []


def test_keys(start: Start, tmp_path: Path) -> None:
    keys = tmp_path / "keys.yaml"
    key = add_key(keys, "somebody")
    setup = start(replies(small=AGREEING), ServerSettings(keys=keys))
    with pytest.raises(openai.AuthenticationError) as raised:
        setup.client.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert raised.value.code == "invalid_api_key"
    with pytest.raises(openai.AuthenticationError):
        setup.client.models.list()
    client = openai.OpenAI(base_url=setup.server.url, api_key=key)
    reply = client.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert reply.choices[0].message.content == AGREEING.text


def test_a_body_that_is_too_large(start: Start) -> None:
    setup = start(replies(small=AGREEING), ServerSettings(body_bytes=1000))
    with pytest.raises(openai.APIStatusError) as raised:
        setup.client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "x" * 1000}]
        )
    assert raised.value.status_code == 413


async def test_a_full_queue(start: Start) -> None:
    setup = start(replies(small=ScriptedReply(hang=True)), ServerSettings(concurrency=1, queue=0))
    async with setup.async_client as client:
        first = asyncio.create_task(client.chat.completions.create(model=MODEL, messages=MESSAGES))
        await setup.fake.request_log.until(lambda log: log.outstanding == 4)
        with pytest.raises(openai.RateLimitError) as raised:
            await client.chat.completions.create(model=MODEL, messages=MESSAGES)
        assert raised.value.code == "rate_limit_exceeded"
        assert int(raised.value.response.headers["retry-after"]) >= 1
        first.cancel()
        await setup.fake.request_log.until(lambda log: log.outstanding == 0)


def test_the_client_does_not_retry_a_failed_run(start: Start) -> None:
    setup = start(replies(small=ScriptedReply(status=500)), explorer__retries=0)
    client = openai.OpenAI(base_url=setup.server.url, api_key="none", max_retries=2)
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert len(setup.fake.request_log.requests) == 4


def test_no_sample_answers(start: Start) -> None:
    setup = start(replies(small=ScriptedReply(status=500)), explorer__retries=0)
    with pytest.raises(openai.InternalServerError) as raised:
        setup.client.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert (raised.value.status_code, raised.value.code) == (502, "no_answer")
    stream = setup.client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
    with pytest.raises(openai.APIError, match="4 server_error") as failed:
        list(stream)
    assert failed.value.code == "no_answer"


def test_truncated_samples(start: Start) -> None:
    setup = start(replies(small=ScriptedReply(text="I think", finish_reason="length")))
    reply = setup.client.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert (reply.choices[0].finish_reason, reply.choices[0].message.content) == (
        "length",
        "I think",
    )
    with pytest.raises(openai.LengthFinishReasonError):
        setup.client.chat.completions.parse(model=MODEL, messages=MESSAGES, response_format=Sum)


def test_a_truncated_synthesis_without_any_answer(start: Start) -> None:
    cut = ScriptedReply(text="So the whole thing goes like", finish_reason="length")
    setup = start(replies(small=ScriptedReply(text="No idea."), big=cut))
    reply = setup.client.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert (reply.choices[0].message.content, reply.choices[0].finish_reason) == (
        cut.text,
        "length",
    )


def test_a_filtered_synthesis_of_filtered_samples(start: Start) -> None:
    cut = ScriptedReply(text="x \\boxed{4}", finish_reason="content_filter")
    setup = start(replies(small=cut, big=ScriptedReply(text="", finish_reason="content_filter")))
    reply = setup.client.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert reply.choices[0].finish_reason == "content_filter"


def test_filtered_samples(start: Start) -> None:
    setup = start(replies(small=ScriptedReply(text="", finish_reason="content_filter")))
    with pytest.raises(openai.ContentFilterFinishReasonError):
        setup.client.chat.completions.parse(model=MODEL, messages=MESSAGES, response_format=Sum)
