"""`ChatOpenAI` that keeps the reasoning which vLLM and others send beside the content."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import openai
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI

from a2r.models.thinking import ThinkingSplitter, split_thinking

REASONING = "reasoning_content"
REPORTED_USAGE = "token_usage"


class ReasoningChatOpenAI(ChatOpenAI):
    """A chat model over an OpenAI-compatible endpoint whose messages carry the thinking apart.

    `message.content` is the answer part; `message.additional_kwargs["reasoning_content"]` is the
    thinking, whether the server sends it as `reasoning`, as `reasoning_content`, or as
    `<think>…</think>` in the content, closed or cut off. The usage as the server reported it
    stands in `message.response_metadata["token_usage"]`, streamed or not.
    """

    def _create_chat_result(
        self,
        response: dict[str, Any] | openai.BaseModel,
        generation_info: dict[str, Any] | None = None,
    ) -> ChatResult:
        result = super()._create_chat_result(response, generation_info)
        raw = response if isinstance(response, dict) else response.model_dump(warnings=False)
        for choice, generation in zip(raw["choices"], result.generations, strict=True):
            _keep_reasoning(choice["message"], generation)
        return result

    def _convert_chunk_to_generation_chunk(
        self,
        chunk: dict[str, Any],
        default_chunk_class: type,
        base_generation_info: dict[str, Any] | None,
    ) -> ChatGenerationChunk | None:
        generation = super()._convert_chunk_to_generation_chunk(
            chunk, default_chunk_class, base_generation_info
        )
        if generation is None:
            return None
        message = generation.message
        choices = chunk.get("choices") or [{}]
        if reasoning := _reasoning_field(choices[0].get("delta") or {}):
            message.additional_kwargs[REASONING] = reasoning
        if usage := chunk.get("usage"):
            message.response_metadata[REPORTED_USAGE] = usage
        return generation

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        splitter = ThinkingSplitter()
        async for generation in super()._astream(messages, stop, run_manager, **kwargs):
            piece = splitter.feed(str(generation.message.content))
            yield _with_piece(generation, piece.thinking, piece.answer)
        rest = splitter.end()
        if rest.thinking or rest.answer:
            last = ChatGenerationChunk(message=AIMessageChunk(content=""))
            yield _with_piece(last, rest.thinking, rest.answer)


def _reasoning_field(message: Mapping[str, Any]) -> str:
    return message.get("reasoning") or message.get("reasoning_content") or ""


def _keep_reasoning(sent: Mapping[str, Any], generation: ChatGeneration) -> None:
    message = generation.message
    thinking, answer = split_thinking(str(message.content))
    reasoning = _reasoning_field(sent)
    if thinking or reasoning:
        message.content = answer
        message.additional_kwargs[REASONING] = "\n".join(filter(None, [reasoning, thinking]))


def _with_piece(generation: ChatGenerationChunk, thinking: str, answer: str) -> ChatGenerationChunk:
    message = generation.message
    if thinking:
        sent = message.additional_kwargs.get(REASONING, "")
        message.additional_kwargs[REASONING] = f"{sent}{thinking}"
    message.content = answer
    generation.text = answer
    return generation
