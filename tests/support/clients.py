"""OpenAI API clients of a server, and scripted samples that agree or disagree."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest
from aiohttp import web
from langchain_openai import ChatOpenAI
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam
from pydantic import BaseModel, SecretStr

from a2r.interfaces.http.settings import ServerSettings
from tests.support.fake_openai import FakeOpenAI, Script, ScriptedReply, boxed
from tests.support.serving import MODEL, SECONDS, Hosted, hosted, written

QUESTION = "What is 12 + 30?"
MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": QUESTION}]
AGREEING = boxed("42")
DISAGREEING = [boxed("41"), boxed("42"), boxed("42"), boxed("43")]
SYNTHESIZED = ScriptedReply(text="The second one is right: 12 + 30 = 42.\n\n\\boxed{42}")
HALF = len(SYNTHESIZED.text) // 2
IN_JSON = ScriptedReply(text='{"terms": [12, 30], "total": 42}')


def import_client(module: str) -> Any:
    """Import a module of a client, or skip the test file where the client is not installed."""
    return pytest.importorskip(
        module, reason="the client has an environment of its own (make test-clients)"
    )


class Sum(BaseModel):
    """A sum."""

    terms: list[int]
    total: int


class PausingServer(FakeOpenAI):
    """With `go` set, the synthesizer pauses in the middle of its text until that event."""

    resume_event: threading.Event | None = None

    async def _stream(
        self, request: web.Request, body: dict[str, Any], scripted: ScriptedReply
    ) -> web.StreamResponse:
        if self.resume_event is None or body["model"] != "big":
            return await super()._stream(request, body, scripted)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(_chunk(scripted.text[:HALF], None))
        assert await asyncio.to_thread(self.resume_event.wait, SECONDS), "not resumed in time"
        await response.write(_chunk(scripted.text[HALF:], "stop"))
        return response


def _chunk(text: str, finish_reason: str | None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A server with the model "mine" in front of a scripted endpoint."""

    fake: PausingServer
    server: Hosted

    @property
    def client(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=self.server.url, api_key="none", max_retries=0, timeout=30)

    @property
    def async_client(self) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(
            base_url=self.server.url, api_key="none", max_retries=0, timeout=30
        )

    def langchain(self, **options: Any) -> ChatOpenAI:
        return ChatOpenAI(
            model=MODEL,
            base_url=self.server.url,
            api_key=SecretStr("none"),
            max_retries=0,
            **options,
        )

    @property
    def explorer(self) -> list[dict[str, Any]]:
        return self.fake.request_log.calls("small")

    @property
    def synthesizer(self) -> list[dict[str, Any]]:
        return self.fake.request_log.calls("big")


Start = Callable[..., Setup]


@contextmanager
def server_starter(folder: Path) -> Iterator[Start]:
    """Yield `start(script, settings, **changes)`, which starts a server; see `config_for`."""
    with ExitStack() as stack:

        def start(script: Script, settings: ServerSettings | None = None, **changes: Any) -> Setup:
            fake = stack.enter_context(PausingServer(script))
            config = written(folder, fake.url, **changes)
            return Setup(fake=fake, server=stack.enter_context(hosted(config, settings)))

        yield start


def disagreement(body: dict[str, Any], _: int) -> ScriptedReply:
    """A script whose samples with four consecutive seeds never all agree."""
    return SYNTHESIZED if body["model"] == "big" else DISAGREEING[body["seed"] % 4]


def delta_texts(chunks: list[ChatCompletionChunk], index: int = 0) -> list[tuple[str, str]]:
    """Return the deltas of a choice: `("content", …)` or `("reasoning_content", …)`, in order."""
    return [
        (name, text)
        for chunk in chunks
        for choice in chunk.choices
        if choice.index == index
        for name in ("reasoning_content", "content")
        if (text := getattr(choice.delta, name, None))
    ]


def join_deltas(chunks: list[ChatCompletionChunk], name: str, index: int = 0) -> str:
    return "".join(text for kind, text in delta_texts(chunks, index) if kind == name)


def json_reply(total: Any, before: str = "Let me add: ") -> ScriptedReply:
    """Return a sample that ends with a fenced `Sum`, valid if `total` is an integer."""
    return ScriptedReply(
        text=f'{before}\n```json\n{{"terms": [12, 30], "total": {json.dumps(total)}}}\n```'
    )


def check_synthesized_stream(chunks: list[ChatCompletionChunk]) -> None:
    kinds = [kind for kind, _ in delta_texts(chunks)]
    first = kinds.index("content")
    assert "content" not in kinds[:first]
    assert join_deltas(chunks, "content") == SYNTHESIZED.text
    lines = "".join(text for _, text in delta_texts(chunks)[:first]).splitlines()
    assert [line.split(" done")[0] for line in lines[:4]] == [
        f"sample {n} of 4" for n in range(1, 5)
    ]
    assert lines[4] == "votes: 2 for 42, 1 for 41, 1 for 43"
    assert lines[5].startswith("gate: synthesize")
    assert lines[6] == "synthesizer: reads 4 references"
    assert chunks[0].choices[0].delta.role == "assistant"
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices]
    assert reasons[-1] == "stop"
    assert set(reasons[:-1]) == {None}
    assert len({(chunk.id, chunk.model, chunk.created) for chunk in chunks}) == 1
