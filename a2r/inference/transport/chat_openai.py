"""`ChatOpenAI` that keeps the reasoning which vLLM and others send, and streams at little cost."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any, Self, TypeVar

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, BaseCallbackManager
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
)
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables.config import (
    ensure_config,
    get_async_callback_manager_for_config,
    var_child_runnable_config,
)
from langchain_openai import ChatOpenAI
from pydantic import PrivateAttr

from a2r._internal.reasoning_parser import ReasoningPart
from a2r._internal.usage_metadata import usage_metadata
from a2r.inference.transport.completion_request import CompletionRequest
from a2r.inference.transport.stream_accumulator import StreamAccumulator

REASONING = "reasoning_content"
REPORTED_USAGE = "token_usage"
OnDelta = Callable[[ReasoningPart], None]
M = TypeVar("M", bound=AIMessage)


class ReasoningChatOpenAI(ChatOpenAI):
    """A chat model over an OpenAI-compatible endpoint whose messages carry the thinking apart.

    `message.content` is the answer part; `message.additional_kwargs["reasoning_content"]` is the
    thinking, whether the server sends it as `reasoning`, as `reasoning_content`, or as
    `<think>…</think>` in the content, closed or cut off. The usage as the server reported it
    stands in `message.response_metadata["token_usage"]`.

    It asks through an `Exchange` of its own: the stream of the OpenAI client and the message that
    LangChain builds for every token cost the client ten times what the tokens' bytes do.
    """

    _transport: CompletionRequest | None = PrivateAttr(default=None)
    _recorder: StreamAccumulator | None = PrivateAttr(default=None)
    _on_delta: OnDelta | None = PrivateAttr(default=None)
    _request_id: str | None = PrivateAttr(default=None)
    _settings: dict[str, Any] | None = PrivateAttr(default=None)

    def with_transport(self, transport: CompletionRequest) -> Self:
        """This model over an exchange."""
        model = self.model_copy()
        model._transport = transport
        model._settings = model._payload([HumanMessage("")], None, {})
        # What the callbacks are told of a model is worked out on first use and kept by the object;
        # known here, it goes into every copy, instead of being worked out for each call.
        model.__dict__["_serialized"] = model._serialized
        return model

    def with_recorder(
        self,
        accumulator: StreamAccumulator,
        on_delta: OnDelta | None,
        request_id: str | None = None,
    ) -> Self:
        """This model for one request, which writes down what comes as it comes."""
        model = self.model_copy()
        model._recorder = accumulator
        model._on_delta = on_delta
        model._request_id = request_id
        return model

    async def run(
        self,
        messages: Sequence[dict[str, Any]],
        accumulator: StreamAccumulator,
        on_delta: OnDelta | None = None,
        request_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        """`ainvoke` for one request, which writes down what comes and returns nothing.

        Where no callback listens, the copy of the model, the runs that LangChain opens for them
        and the messages that it makes of ours and back are left out; they cost more than the
        request.
        """
        if _has_callbacks():
            model = self.with_recorder(accumulator, on_delta, request_id)
            await model.ainvoke(list(messages), ensure_config(), **kwargs)
            return
        exchange, settings = self._transport, self._settings
        if exchange is None or settings is None:
            raise ValueError("this model was given no exchange to ask through")
        asked = exchange.stream_deltas(
            {**settings, "messages": list(messages), **kwargs},
            accumulator,
            watched=on_delta is not None,
            request_id=request_id,
        )
        async with aclosing(asked) as pieces:
            async for piece in pieces:
                if on_delta is not None and (piece.thinking or piece.answer):
                    on_delta(piece)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        accumulator = self._recorder or StreamAccumulator()
        watched = self._on_delta is not None
        payload = self._payload(messages, stop, kwargs)
        async with aclosing(self._deltas(payload, accumulator, watched)) as pieces:
            async for _ in pieces:
                pass
        generation = ChatGeneration(message=_message(AIMessage, accumulator, *accumulator.split()))
        return ChatResult(generations=[generation], llm_output={"model_name": self.model_name})

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        accumulator = self._recorder or StreamAccumulator()
        payload = self._payload(messages, stop, kwargs)
        async with aclosing(self._deltas(payload, accumulator, True)) as pieces:
            async for piece in pieces:
                reasoning = {REASONING: piece.thinking} if piece.thinking else {}
                message = AIMessageChunk(content=piece.answer, additional_kwargs=reasoning)
                chunk = ChatGenerationChunk(message=message)
                if run_manager:
                    await run_manager.on_llm_new_token(piece.answer, chunk=chunk)
                yield chunk
        yield ChatGenerationChunk(message=_message(AIMessageChunk, accumulator, "", ""))

    def _payload(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        payload = self._get_request_payload(messages, stop=stop, **kwargs)
        always = payload.pop("extra_body", None) or {}
        # What one call asks for goes before what its role always sends, as in `ask`.
        own = {key: payload[key] for key in kwargs if key in payload}
        if "max_tokens" in kwargs:
            # ChatOpenAI has another name for it, which not every server knows.
            own["max_tokens"] = payload.pop("max_completion_tokens")
        return {**payload, **always, **own}

    async def _deltas(
        self, payload: dict[str, Any], accumulator: StreamAccumulator, emit_deltas: bool
    ) -> AsyncGenerator[ReasoningPart, None]:
        if self._transport is None:
            raise ValueError("this model was given no exchange to ask through")
        asked = self._transport.stream_deltas(
            payload, accumulator, watched=emit_deltas, request_id=self._request_id
        )
        async with aclosing(asked) as pieces:
            async for piece in pieces:
                if piece.thinking or piece.answer:
                    if self._on_delta is not None:
                        self._on_delta(piece)
                    yield piece


def _has_callbacks() -> bool:
    """Whether a callback, or a tracer of the environment, would be told of a call made now."""
    around = (var_child_runnable_config.get() or {}).get("callbacks")
    # A node's callbacks are complete; elsewhere LangChain looks for more, which takes its time.
    if isinstance(around, BaseCallbackManager):
        return bool(around.handlers)
    return bool(get_async_callback_manager_for_config(ensure_config()).handlers)


def _message(kind: type[M], accumulator: StreamAccumulator, text: str, thinking: str) -> M:
    return kind(
        content=text,
        additional_kwargs={REASONING: thinking} if thinking else {},
        response_metadata={
            "finish_reason": accumulator.finish_reason,
            REPORTED_USAGE: accumulator.reported_usage or None,
        },
        usage_metadata=usage_metadata(
            accumulator.reported_usage.get("prompt_tokens"),
            accumulator.reported_usage.get("completion_tokens"),
        ),
    )
