"""One call of `ChatA2R`: the request, and its result as a message."""

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
from a2r.interfaces.chat import (
    Delta,
    deltas,
    finish_reason,
    finished_result,
    hold_until_reply,
    reply_content,
)
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
        "agreement_samples",
        "clusters",
        "usage",
        "savings",
        "warnings",
    }
)
NO_TOOLS = (
    "ChatA2R does not call tools: use A2R as a tool of another model, "
    "create_agent(model, tools=[a2r.as_tool()])"
)


@dataclass(frozen=True, kw_only=True)
class ChatRequest:
    """A call of the chat model.

    `answer_alone`: the content is only the answer, not the solution. `warnings` name the options
    that have no effect. `stream_usage`: the last chunk of a stream has the usage.
    """

    solver: A2R
    messages: Sequence[AnyMessage]
    config: RunnableConfig
    overrides: Mapping[str, Any]
    answer_alone: bool
    warnings: Sequence[str]
    stream_usage: bool

    async def result(self) -> Result:
        """Run the question, and return the result even if all samples were truncated or filtered.

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
        """Stream the reply; the last chunk has the usage and the metadata of the complete run.

        Nothing is yielded before the first sample starts to answer.
        """
        events = hold_until_reply(
            self.solver.astream(self.messages, self.config, overrides=self.overrides)
        )
        async with aclosing(deltas(events, answer_alone=self.answer_alone)) as stream:
            async for delta in stream:
                yield ChatGenerationChunk(message=self._chunk(delta))

    def reply(self, result: Result) -> ChatResult:
        """The complete reply."""
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
    """The messages, if they end with a question and have only supported types.

    Raises:
        QuestionError: the last message is not a human message, or a message has tool calls or an
            unsupported type.
    """
    checked: list[AnyMessage] = []
    for message in messages:
        if getattr(message, "tool_calls", None) or message.type in ("tool", "function"):
            raise QuestionError(f"the messages contain tool calls; {NO_TOOLS}")
        if not isinstance(message, HumanMessage | AIMessage | SystemMessage):
            raise QuestionError(
                f"{type(message).__name__} is not supported: use system, human and AI messages"
            )
        checked.append(message)
    if not checked or not isinstance(checked[-1], HumanMessage):
        reason = f"the last message is of type {checked[-1].type}" if checked else "no messages"
        raise QuestionError(f"{reason}: a chat has to end with a human message, the question")
    return checked
