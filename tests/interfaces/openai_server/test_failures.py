"""Failing endpoints, invalid model output, clients that do not read."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import pytest
from openai import APIError, AsyncOpenAI

from a2r.interfaces.http.settings import ServerSettings
from tests.support.fake_openai import ScriptedReply, boxed, fake_openai, replies
from tests.support.operating import (
    COMPLETIONS,
    SECONDS,
    address,
    closed_port,
    error_fields,
    request_body,
    running,
    until_counted,
    until_gauges,
)
from tests.support.serving import hosted, served, written

pytestmark = pytest.mark.integration

AGREED = replies(small=boxed("4"))
DISPUTED_BY_ALL = [boxed(n) for n in ("4", "5", "6", "7")]


async def test_connection_refused(tmp_path: Path) -> None:
    config = written(tmp_path, f"http://127.0.0.1:{closed_port()}/v1", explorer__retries=0)
    with hosted(config) as server:
        async with httpx.AsyncClient(base_url=server.root, timeout=SECONDS) as client:
            response = await client.post(COMPLETIONS, json=request_body())
            assert response.status_code == 503
            error = error_fields(response)
            assert (error["type"], error["code"]) == ("server_error", "endpoints_unreachable")
            await until_gauges(client, a2r_requests_running=0.0)


@pytest.mark.parametrize(
    ("scripted", "status", "code"),
    [
        (ScriptedReply(status=500), 502, "no_answer"),
        (ScriptedReply(status=400, error="something else"), 502, "no_answer"),
        (ScriptedReply(reset=True), 502, "no_answer"),
        (ScriptedReply(body=b"garbage"), 502, "no_answer"),
    ],
)
async def test_all_samples_fail(
    tmp_path: Path, scripted: ScriptedReply, status: int, code: str
) -> None:
    async with running(tmp_path, replies(small=scripted)) as (_, server, client):
        response = await client.post(COMPLETIONS, json=request_body())
        assert response.status_code == status
        assert (error_fields(response)["type"], error_fields(response)["code"]) == (
            "server_error",
            code,
        )
        openai = AsyncOpenAI(base_url=server.url, api_key="x", max_retries=0)
        async with openai:
            stream = await openai.chat.completions.create(**request_body(stream=True))
            with pytest.raises(APIError) as caught:
                async for _ in stream:
                    pass
        assert caught.value.code == code


SECRET = "the weights lie in /srv/models"


@pytest.mark.parametrize("stream", [True, False])
async def test_errors_do_not_expose_endpoints_or_their_messages(
    tmp_path: Path, stream: bool
) -> None:
    says = ScriptedReply(status=400, error=SECRET)
    failing = replies(small=says)
    # Both errors start in the same way.
    beginning = ScriptedReply(status=400, error=SECRET[:7])
    disputing = replies(small=[beginning, *DISPUTED_BY_ALL[1:]], big=says)
    for script, code in ((failing, "no_answer"), (disputing, None)):
        with (
            fake_openai(script) as upstream,
            served(written(tmp_path, upstream.url, explorer__retries=0)) as server,
        ):
            async with httpx.AsyncClient(base_url=server.root, timeout=SECONDS) as client:
                text = (await client.post(COMPLETIONS, json=request_body(stream=stream))).text
            port = str(address(upstream.url)[1])
            assert ("None of 4 samples finished: 4 rejected." in text) == (code is not None)
            assert ("the synthesizer gave no answer (rejected)" in text) == (code is None)
            assert SECRET not in text
            assert port not in text
            line = server.until("request", status=200 if code is None else 502)
            assert line.get("error", "").count(SECRET) == (code is not None)
            assert any(SECRET in logged for logged in server.lines)


async def test_an_error_in_code_that_the_config_imports_is_a_server_error(tmp_path: Path) -> None:
    rule = tmp_path / "my_gate.py"
    rule.write_text("def ahead(votes): return 'accept', 'ahead'\n")
    async with running(tmp_path, AGREED, gate__rule="my_gate.py:ahead") as (_, _server, client):
        for gate, status, code in (
            ({"quorum": 0.5}, 200, None),
            ({"rule": "beta", "threshold": 0.999, "quorum": 0.1}, 400, "invalid_value"),
            ({"quorum": 0.25}, 500, "misconfigured"),
        ):
            if code == "misconfigured":
                rule.unlink()
            response = await client.post(COMPLETIONS, json=request_body(a2r={"gate": gate}))
            assert response.status_code == status, response.text
            assert code is None or error_fields(response)["code"] == code
            assert rule.name not in response.text or status == 200


@pytest.mark.parametrize("stream", [True, False])
async def test_a_response_format_of_the_config_applies_to_the_content(
    tmp_path: Path, stream: bool
) -> None:
    fenced = replies(small=ScriptedReply(text='Here:\n```json\n{"a": 4}\n```'))
    changes = {"answers": {"response_format": {"type": "json_object"}}}
    async with running(tmp_path, fenced, kind="json", **changes) as (_, server, _client):
        async with AsyncOpenAI(base_url=server.url, api_key="x", max_retries=0) as openai:
            reply = await openai.chat.completions.create(**request_body(stream=stream))
            if stream:
                contents = [chunk.choices[0].delta.content or "" async for chunk in reply]
            else:
                contents = [reply.choices[0].message.content]
        assert json.loads("".join(contents)) == {"a": 4}


async def test_a_question_that_is_too_long(tmp_path: Path) -> None:
    with fake_openai(AGREED, context=16) as upstream:
        config = written(tmp_path, upstream.url, explorer__retries=0)
        with hosted(config) as server:
            async with httpx.AsyncClient(base_url=server.root, timeout=SECONDS) as client:
                response = await client.post(COMPLETIONS, json=request_body("long " * 1000))
    assert response.status_code == 400
    assert error_fields(response)["code"] == "context_length_exceeded"


async def test_all_samples_truncated(tmp_path: Path) -> None:
    cut = replies(small=ScriptedReply(text="I begin to think", finish_reason="length"))
    async with running(tmp_path, cut) as (_, _server, client):
        response = await client.post(COMPLETIONS, json=request_body())
        assert response.status_code == 200
        [choice] = response.json()["choices"]
        assert choice["finish_reason"] == "length"
        assert choice["message"]["content"] == "I begin to think"
        assert response.json()["a2r"][0]["method"] is None


async def test_a_synthesizer_that_fails_during_its_reply(tmp_path: Path) -> None:
    dying = replies(small=DISPUTED_BY_ALL, big=ScriptedReply(text="I read them all", reset=True))
    async with running(tmp_path, dying, synthesizer__retries=0) as (_, server, client):
        async with AsyncOpenAI(base_url=server.url, api_key="x", max_retries=0) as openai:
            stream = await openai.chat.completions.create(**request_body(stream=True))
            chunks = [chunk async for chunk in stream]
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        assert text == f"I read them all\n\n---\n\n{DISPUTED_BY_ALL[0].text}"
        assert chunks[-1].choices[0].finish_reason == "stop"
        reply = (await client.post(COMPLETIONS, json=request_body())).json()
        assert reply["choices"][0]["message"]["content"] == DISPUTED_BY_ALL[0].text
        assert reply["a2r"][0]["method"] == "majority_fallback"


@pytest.mark.parametrize("stream", [True, False])
async def test_lone_surrogates_and_nul_in_model_output(tmp_path: Path, stream: bool) -> None:
    odd = "\ud800 \udfff \x00 \x1b[31m \u2028 data: [DONE]\n\ndata: {}\n\r\\boxed{4}"
    async with running(tmp_path, replies(small=ScriptedReply(text=odd))) as (_, _server, client):
        response = await client.post(COMPLETIONS, json=request_body("\x00 2+2?", stream=stream))
        assert response.status_code == 200
        assert response.content.isascii()
        if not stream:
            assert "\\boxed{4}" in response.json()["choices"][0]["message"]["content"]
            return
        events = response.text.strip().split("\n\n")
        assert events[-1] == "data: [DONE]"
        deltas = [json.loads(e.removeprefix("data: "))["choices"][0]["delta"] for e in events[:-1]]
        assert "data: [DONE]\n\ndata: {}" in "".join(d.get("content", "") for d in deltas)


async def test_a_client_that_does_not_read_frees_its_slot(tmp_path: Path) -> None:
    long = ScriptedReply(
        body=json.dumps(
            {
                "choices": [
                    {
                        "message": {"content": "x" * (32 << 20) + "\\boxed{4}"},
                        "finish_reason": "stop",
                    }
                ],
                "usage": None,
            }
        ).encode()
    )
    settings = ServerSettings(send_seconds=0.2)
    async with running(
        tmp_path, replies(small=long), settings, explorer__samples=1, explorer__stream=False
    ) as (_, server, client):
        _, writer = await asyncio.open_connection(*address(server.root), limit=1)
        content = json.dumps(request_body(stream=True, n=1)).encode()
        head = f"POST {COMPLETIONS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        labels = {"model": "mine", "status": "499", "stream": "true"}
        await until_counted(client, 1, **labels)
        await until_gauges(client, a2r_requests_running=0.0)
        writer.transport.abort()
