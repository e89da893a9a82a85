"""A chat completion: the complete reply, or a stream of chunks."""

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
from a2r.interfaces.openai_server.api_errors import ApiError, from_run_error, internal_error
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
REFUSAL = "No answer conforms to the response format."


@dataclass(frozen=True, kw_only=True)
class ChatCompletionBuilder:
    """Runs one request and builds its reply.

    `details`: include the field `a2r`. `usage`: send the usage at the end of a stream.
    """

    request: RunRequest
    context: RequestContext
    metrics: Metrics
    details: bool
    usage: bool = False
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def id(self) -> str:
        """The ID of the completion."""
        return f"chatcmpl-{self.context.request_id}"

    def record_queue_time(self, seconds: float) -> None:
        """Record the time in the queue."""
        self.metrics.seconds.labels(self.request.model.id, "queue").observe(seconds)

    async def full_reply(self) -> dict[str, Any]:
        """Run all choices, and return the complete reply.

        Raises:
            ApiError: a run failed.
        """
        try:
            results = await run_choices(self.request, self.context, self.metrics)
        except A2RError as error:
            raise self._run_error(error) from error
        choices = [
            Choice(index=n, message=self._message(result), finish_reason=finish_reason(result))
            for n, result in enumerate(results)
        ]
        reply = ChatCompletion(
            id=self.id,
            created=self.created,
            model=self.request.model.id,
            choices=choices,
            usage=completion_usage([result.usage.total for result in results]),
        )
        return reply.model_dump(mode="json", exclude={"a2r"}) | self._details(results)

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Run all choices, and stream server-sent events; each item has one or more of them.

        The field `a2r` comes with the finish reason of its choice. An error is the last event.
        """
        choices = range(len(self.request.overrides))
        yield _encode([self._chunk(n, {"role": "assistant", "content": ""}) for n in choices])
        results: list[Result] = []
        try:
            async with aclosing(stream_choices(self.request, self.context, self.metrics)) as stream:
                async for batch in stream:
                    yield _encode(
                        [data for n, delta in batch for data in self._delta_chunks(n, delta)]
                    )
                    results += [delta.result for _, delta in batch if delta.result is not None]
        except A2RError as error:
            yield _encode([self._error(self._run_error(error))])
            return
        except Exception:  # noqa: BLE001 - the status is sent, so the error has to be an event
            get_logger().exception("request failed", request_id=self.context.request_id)
            yield _encode([self._error(internal_error())])
            return
        yield _encode([*([self._usage(results)] if self.usage else []), DONE])

    def _delta_chunks(self, choice: int, delta: Delta) -> Iterator[str]:
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
        answer_alone = self.request.answer_alone
        content = reply_content(result, answer_alone=answer_alone)
        if answer_alone and not content and finish_reason(result) == "stop":
            return AssistantMessage(content=None, refusal=REFUSAL)
        return AssistantMessage(content=content)

    def _details(self, results: Sequence[Result]) -> dict[str, Any]:
        if not self.details:
            return {}
        warnings = list(self.request.warnings)
        details = [run_details(result, warnings).model_dump(mode="json") for result in results]
        return {"a2r": details}

    def _chunk(
        self,
        choice: int,
        delta: dict[str, Any],
        finish_reason: str | None = None,
        details: dict[str, Any] | None = None,
    ) -> str:
        choices = [
            {"index": choice, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        ]
        # With `include_usage`, all chunks but the last have a usage of null.
        usage = {"usage": None} if self.usage else {}
        return json.dumps(self._chunk_fields() | {"choices": choices, **(details or {})} | usage)

    def _usage(self, results: Sequence[Result]) -> str:
        usage = completion_usage([result.usage.total for result in results])
        value = None if usage is None else usage.model_dump(mode="json")
        return json.dumps(self._chunk_fields() | {"choices": [], "usage": value})

    def _chunk_fields(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.request.model.id,
            "system_fingerprint": None,
        }

    def _run_error(self, error: A2RError) -> ApiError:
        return from_run_error(error, self.request.passed_fields)

    def _error(self, error: ApiError) -> str:
        self.context.on_error(error)
        return json.dumps(error.body())


def _encode(events: Sequence[str]) -> bytes:
    return b"".join(b"data: " + data.encode("ascii") + b"\n\n" for data in events)
