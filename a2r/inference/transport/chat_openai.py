"""A `ChatOpenAI` with the reasoning of vLLM and others, and low overhead per token."""

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

from a2r._internal.reasoning import ReasoningPart
from a2r._internal.usage_metadata import usage_metadata
from a2r.inference.transport.completion_request import CompletionTransport
from a2r.inference.transport.stream_accumulator import StreamAccumulator

REASONING = "reasoning_content"
REPORTED_USAGE = "token_usage"
OnDelta = Callable[[ReasoningPart], None]
M = TypeVar("M", bound=AIMessage)


class ReasoningChatOpenAI(ChatOpenAI):
    """A chat model over an OpenAI-compatible endpoint that separates thinking from the answer.

    `message.content` is the answer part; `message.additional_kwargs["reasoning_content"]` is the
    thinking, whether the server sends it as `reasoning`, as `reasoning_content`, or within the
    content, as `<think>…</think>` or in the format of another model, closed or not.
    `message.response_metadata["token_usage"]` is the usage as reported by the server.

    Requests use a `CompletionRequest` instead of the OpenAI client: that client's stream and
    LangChain's message per token take ten times the CPU of decoding the tokens.
    """

    _transport: CompletionTransport | None = PrivateAttr(default=None)
    _recorder: StreamAccumulator | None = PrivateAttr(default=None)
    _on_delta: OnDelta | None = PrivateAttr(default=None)
    _request_id: str | None = PrivateAttr(default=None)
    _settings: dict[str, Any] | None = PrivateAttr(default=None)

    def with_transport(self, transport: CompletionTransport) -> Self:
        """Return a copy of the model that sends its requests through a transport."""
        model = self.model_copy()
        model._transport = transport
        model._settings = model._payload([HumanMessage("")], None, {})
        # LangChain serializes the model for its callbacks on first use and caches that in the
        # object; computed here, it is copied and not computed again for each call.
        model.__dict__["_serialized"] = model._serialized
        return model

    def with_recorder(
        self,
        accumulator: StreamAccumulator,
        on_delta: OnDelta | None,
        request_id: str | None = None,
    ) -> Self:
        """Return a copy of the model for one request, which fills `accumulator` as data arrives."""
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
        """Send one request and fill `accumulator` as data arrives.

        Without callbacks, LangChain's `ainvoke` is bypassed: its copies, callback runs and message
        conversions take more time than the request.
        """
        if _has_callbacks():
            model = self.with_recorder(accumulator, on_delta, request_id)
            await model.ainvoke(list(messages), ensure_config(), **kwargs)
            return
        transport, settings = self._transport, self._settings
        if transport is None or settings is None:
            raise ValueError("no transport configured")
        stream = transport.stream_deltas(
            {**settings, "messages": list(messages), **kwargs},
            accumulator,
            emit_deltas=on_delta is not None,
            request_id=request_id,
        )
        async with aclosing(stream) as deltas:
            async for delta in deltas:
                if on_delta is not None and _has_news(delta):
                    on_delta(delta)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        accumulator = self._recorder or StreamAccumulator()
        emit_deltas = self._on_delta is not None
        payload = self._payload(messages, stop, kwargs)
        async with aclosing(self._deltas(payload, accumulator, emit_deltas)) as deltas:
            async for _ in deltas:
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
        async with aclosing(self._deltas(payload, accumulator, True)) as deltas:
            async for delta in deltas:
                reasoning = {REASONING: delta.thinking} if delta.thinking else {}
                message = AIMessageChunk(content=delta.answer, additional_kwargs=reasoning)
                chunk = ChatGenerationChunk(message=message)
                if run_manager:
                    await run_manager.on_llm_new_token(delta.answer, chunk=chunk)
                yield chunk
        yield ChatGenerationChunk(message=_message(AIMessageChunk, accumulator, "", ""))

    def _payload(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        payload = self._get_request_payload(messages, stop=stop, **kwargs)
        extra_body = payload.pop("extra_body", None) or {}
        # Parameters of the call take precedence over the role's `extra_body`, as in `run`.
        overrides = {key: payload[key] for key in kwargs if key in payload}
        if "max_tokens" in kwargs:
            # ChatOpenAI renames it, and not every server knows the new name.
            overrides["max_tokens"] = payload.pop("max_completion_tokens")
        return {**payload, **extra_body, **overrides}

    async def _deltas(
        self, payload: dict[str, Any], accumulator: StreamAccumulator, emit_deltas: bool
    ) -> AsyncGenerator[ReasoningPart, None]:
        if self._transport is None:
            raise ValueError("no transport configured")
        stream = self._transport.stream_deltas(
            payload, accumulator, emit_deltas=emit_deltas, request_id=self._request_id
        )
        async with aclosing(stream) as deltas:
            async for delta in deltas:
                if _has_news(delta):
                    if self._on_delta is not None:
                        self._on_delta(delta)
                    yield delta


def _has_news(delta: ReasoningPart) -> bool:
    return bool(delta.thinking or delta.answer or delta.retracts)


def _has_callbacks() -> bool:
    """Whether a call made now has callbacks, tracers of the environment included."""
    callbacks = (var_child_runnable_config.get() or {}).get("callbacks")
    # A node's callback manager is complete; elsewhere LangChain looks for tracers, which is slow.
    if isinstance(callbacks, BaseCallbackManager):
        return bool(callbacks.handlers)
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
