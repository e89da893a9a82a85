"""A chat completion as it is sent: whole, or as a stream of chunks."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from a2r._internal.logging import get_logger
from a2r.errors import A2RError
from a2r.interfaces.chat import Delta, finish_reason, reply_content
from a2r.interfaces.openai_server.api_errors import ApiError, from_run_error, internal
from a2r.interfaces.openai_server.metrics import Metrics
from a2r.interfaces.openai_server.request_log import RequestContext
from a2r.interfaces.openai_server.request_parsing import RunRequest
from a2r.interfaces.openai_server.response_models import (
    AssistantMessage,
    ChatCompletion,
    Choice,
    completion_usage,
    run_details,
)
from a2r.interfaces.openai_server.run_stream import run_choices, stream_choices
from a2r.result import Result

DONE = "[DONE]"
NOTHING_CONFORMS = "No answer conforms to the response format."


@dataclass(frozen=True, kw_only=True)
class ChatCompletionBuilder:
    """One request for chat completions, ready to be run.

    `details` asks for the field `a2r`, `usage` for the usage at the end of a stream.
    """

    request: RunRequest
    context: RequestContext
    metrics: Metrics
    details: bool
    usage: bool = False
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def id(self) -> str:
        """What the reply is called."""
        return f"chatcmpl-{self.context.request_id}"

    def queue_seconds(self, seconds: float) -> None:
        """Note how long it waited for a place."""
        self.metrics.seconds.labels(self.request.model.id, "queue").observe(seconds)

    async def full_reply(self) -> dict[str, Any]:
        """The whole reply.

        Raises:
            ApiError: a run failed.
        """
        try:
            found = await run_choices(self.request, self.context, self.metrics)
        except A2RError as error:
            raise from_run_error(error) from error
        choices = [
            Choice(index=n, message=self._message(one), finish_reason=finish_reason(one))
            for n, one in enumerate(found)
        ]
        reply = ChatCompletion(
            id=self.id,
            created=self.created,
            model=self.request.model.id,
            choices=choices,
            usage=completion_usage([result.usage.total for result in found]),
        )
        return reply.model_dump(mode="json", exclude={"a2r"}) | self._details(found)

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Server-sent events, one or more at once; an error is the last one.

        The field `a2r` comes with the finish reason of its choice.
        """
        choices = range(len(self.request.overrides))
        yield _sent([self._chunk(n, {"role": "assistant", "content": ""}) for n in choices])
        found: list[Result] = []
        try:
            async with aclosing(stream_choices(self.request, self.context, self.metrics)) as stream:
                async for news in stream:
                    yield _sent([data for one in news for data in self._delta_chunk(*one)])
                    found += [delta.result for _, delta in news if delta.result is not None]
        except A2RError as error:
            yield _sent([self._error(from_run_error(error))])
            return
        except Exception:  # noqa: BLE001 - the status is sent: all that is left is to say so
            get_logger().exception("request failed", request_id=self.context.request_id)
            yield _sent([self._error(internal())])
            return
        yield _sent([*([self._usage(found)] if self.usage else []), DONE])

    def _delta_chunk(self, choice: int, delta: Delta) -> Iterator[str]:
        if delta.reasoning:
            yield self._chunk(choice, {"reasoning_content": delta.reasoning})
        if delta.content:
            yield self._chunk(choice, {"content": delta.content})
        if delta.result is not None:
            if refusal := self._message(delta.result).refusal:
                yield self._chunk(choice, {"refusal": refusal})
            reason = finish_reason(delta.result)
            yield self._chunk(choice, {}, reason, self._details([delta.result]))

    def _message(self, result: Result) -> AssistantMessage:
        alone = self.request.answer_alone
        content = reply_content(result, answer_alone=alone)
        if alone and not content and finish_reason(result) == "stop":
            return AssistantMessage(content=None, refusal=NOTHING_CONFORMS)
        return AssistantMessage(content=content)

    def _details(self, found: Sequence[Result]) -> dict[str, Any]:
        if not self.details:
            return {}
        warnings = list(self.request.warnings)
        told_of = [run_details(result, warnings).model_dump(mode="json") for result in found]
        return {"a2r": told_of}

    def _chunk(
        self,
        choice: int,
        delta: dict[str, Any],
        finish_reason: str | None = None,
        more: dict[str, Any] | None = None,
    ) -> str:
        choices = [
            {"index": choice, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        ]
        return self._event({"choices": choices, **(more or {})})

    def _usage(self, found: Sequence[Result]) -> str:
        usage = completion_usage([result.usage.total for result in found])
        told_of = None if usage is None else usage.model_dump(mode="json")
        return json.dumps(self._head() | {"choices": [], "usage": told_of})

    def _event(self, fields: dict[str, Any]) -> str:
        unknown_yet = {"usage": None} if self.usage else {}
        return json.dumps(self._head() | fields | unknown_yet)

    def _head(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.request.model.id,
            "system_fingerprint": None,
        }

    def _error(self, error: ApiError) -> str:
        self.context.on_error(error)
        return json.dumps(error.body())


def _sent(events: Sequence[str]) -> bytes:
    return b"".join(b"data: " + data.encode("ascii") + b"\n\n" for data in events)
