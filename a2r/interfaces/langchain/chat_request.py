"""One call of `ChatA2R`: what is asked, and the message that comes of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    AnyMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
)
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableConfig

from a2r.errors import NoAnswerError, QuestionError
from a2r.inference.transport.chat_openai import REASONING
from a2r.interfaces.chat import Delta, deltas, finish_reason, finished_result, reply_content
from a2r.result import Result
from a2r.solver import A2R
from a2r.workflow.outcome import message_usage

PROVIDER = "a2r"
DETAILS = frozenset(
    {
        "run_id",
        "config",
        "method",
        "answer",
        "agreement",
        "clusters",
        "usage",
        "savings",
        "warnings",
    }
)
NO_TOOLS = (
    "ChatA2R calls no tools: let a model that does call A2R as one, "
    "create_agent(model, tools=[a2r.as_tool()])"
)


@dataclass(frozen=True, kw_only=True)
class ChatRequest:
    """A call, ready to be made.

    `answer_alone` says that the content is the answer, not the solution; `warnings` what of the
    call has no effect; `stream_usage` whether a stream tells its usage.
    """

    solver: A2R
    messages: Sequence[AnyMessage]
    config: RunnableConfig
    overrides: Mapping[str, Any]
    answer_alone: bool
    warnings: Sequence[str]
    stream_usage: bool

    async def result(self) -> Result:
        """The result; also of a run whose samples were all cut off at the limit of their tokens.

        Raises:
            NoAnswerError: no sample finished, for any other reason.
        """
        try:
            return await self.solver.aask(self.messages, self.config, overrides=self.overrides)
        except NoAnswerError as error:
            result = finished_result(error)
            if result is None:
                raise
            return result

    async def chunks(self) -> AsyncGenerator[ChatGenerationChunk, None]:
        """The reply as it comes; the last chunk has the usage and the metadata of the whole."""
        events = self.solver.astream(self.messages, self.config, overrides=self.overrides)
        async with aclosing(deltas(events, answer_alone=self.answer_alone)) as told:
            async for delta in told:
                yield ChatGenerationChunk(message=self._chunk(delta))

    def reply(self, result: Result) -> ChatResult:
        """The whole reply."""
        message = AIMessage(
            content=reply_content(result, answer_alone=self.answer_alone),
            response_metadata=self._metadata(result),
            usage_metadata=message_usage(result.usage.total),
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _chunk(self, delta: Delta) -> AIMessageChunk:
        if delta.result is None:
            progress = {REASONING: delta.reasoning} if delta.reasoning else {}
            return AIMessageChunk(content=delta.content, additional_kwargs=progress)
        usage = message_usage(delta.result.usage.total) if self.stream_usage else None
        return AIMessageChunk(
            content="",
            response_metadata=self._metadata(delta.result),
            usage_metadata=usage,
            chunk_position="last",
        )

    def _metadata(self, result: Result) -> dict[str, Any]:
        details = result.model_dump(mode="json", include=set(DETAILS))
        details["warnings"] = [*result.warnings, *self.warnings]
        counts = {"samples": len(result.samples), "syntheses": len(result.synthesis)}
        return {
            "finish_reason": finish_reason(result),
            "model_name": self.solver.config.name,
            "model_provider": PROVIDER,
            "a2r": details | counts,
        }


def validate_messages(messages: Sequence[BaseMessage]) -> list[AnyMessage]:
    """The messages, if they are a chat that asks.

    Raises:
        QuestionError: the last message is not a human's, or one of them is of a kind that cannot
            be passed on.
    """
    checked: list[AnyMessage] = []
    for message in messages:
        if getattr(message, "tool_calls", None) or message.type in ("tool", "function"):
            raise QuestionError(f"the messages hold calls of tools; {NO_TOOLS}")
        if not isinstance(message, HumanMessage | AIMessage | SystemMessage):
            raise QuestionError(
                f"a {type(message).__name__} cannot be passed on: give system, human and AI "
                "messages"
            )
        checked.append(message)
    if not checked or not isinstance(checked[-1], HumanMessage):
        last = f"the last message is of type {checked[-1].type}" if checked else "no message"
        raise QuestionError(f"{last}: a chat ends with the human message that asks")
    return checked
