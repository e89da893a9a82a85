"""`ChatOpenAI` that keeps the reasoning which vLLM and others send beside the content."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import openai
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI

from a2r.models.thinking import ThinkingSplitter, parts_of, split_thinking

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
        raw = response if isinstance(response, dict) else response.model_dump(warnings=False)
        raw["usage"] = clean_usage(raw.get("usage"))
        result = super()._create_chat_result(raw, generation_info)
        for choice, generation in zip(raw["choices"], result.generations, strict=True):
            _keep_reasoning(choice["message"], generation)
        return result

    def _convert_chunk_to_generation_chunk(
        self,
        chunk: dict[str, Any],
        default_chunk_class: type,
        base_generation_info: dict[str, Any] | None,
    ) -> ChatGenerationChunk | None:
        chunk = {
            **chunk,
            "usage": clean_usage(chunk.get("usage")),
            # One request is one sample: a further choice is none of its text.
            "choices": [
                {**choice, "delta": choice.get("delta") or {}}
                for choice in chunk.get("choices") or []
                if not choice.get("index")
            ],
        }
        generation = super()._convert_chunk_to_generation_chunk(
            chunk, default_chunk_class, base_generation_info
        )
        if generation is None:
            return None
        message = generation.message
        choices = chunk["choices"] or [{"delta": {}}]
        if reasoning := _reasoning_field(choices[0]["delta"]):
            message.additional_kwargs[REASONING] = reasoning
        if usage := chunk["usage"]:
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
            thinking, text = parts_of(generation.message.content)
            piece = splitter.feed(text)
            yield _with_piece(generation, thinking + piece.thinking, piece.answer)
        rest = splitter.end()
        if rest.thinking or rest.answer:
            last = ChatGenerationChunk(message=AIMessageChunk(content=""))
            yield _with_piece(last, rest.thinking, rest.answer)


def clean_usage(usage: object) -> dict[str, Any] | None:
    """The counts of a reported usage that are counts; `None` if it reports none.

    A server that gets an auxiliary field wrong still answered: its reply must not be lost to it.
    """
    if not isinstance(usage, dict):
        return None
    clean: dict[str, Any] = {name: n for name, n in usage.items() if is_count(n)}
    for name in ("prompt_tokens_details", "completion_tokens_details"):
        details = usage.get(name)
        if isinstance(details, dict):
            clean[name] = {key: n for key, n in details.items() if is_count(n)}
    return clean or None


def is_count(value: object) -> bool:
    """Whether a value is a count of tokens."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _reasoning_field(message: Mapping[str, Any]) -> str:
    reasoning = message.get("reasoning") or message.get("reasoning_content") or ""
    return reasoning if isinstance(reasoning, str) else json.dumps(reasoning)


def _keep_reasoning(sent: Mapping[str, Any], generation: ChatGeneration) -> None:
    message = generation.message
    part, text = parts_of(message.content)
    thinking, message.content = split_thinking(text)
    kept = [_reasoning_field(sent), part, thinking]
    if any(kept):
        message.additional_kwargs[REASONING] = "\n".join(filter(None, kept))


def _with_piece(generation: ChatGenerationChunk, thinking: str, answer: str) -> ChatGenerationChunk:
    message = generation.message
    if thinking:
        sent = message.additional_kwargs.get(REASONING, "")
        message.additional_kwargs[REASONING] = f"{sent}{thinking}"
    message.content = answer
    generation.text = answer
    return generation
