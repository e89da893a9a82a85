"""`ChatA2R`: A2R as a LangChain chat model."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from dataclasses import fields
from functools import cached_property
from types import NoneType
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput, ModelProfile
from langchain_core.language_models.base import LangSmithParams
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from a2r._internal.argument_types import check_type
from a2r._internal.suggestions import suggestion
from a2r._internal.sync_bridge import iterate_sync, run_sync
from a2r.config.loader import ConfigSource
from a2r.errors import ConfigError, OptionError
from a2r.interfaces.chat import ChatOptions
from a2r.interfaces.langchain.chat_request import NO_TOOLS, PROVIDER, ChatRequest, validate_messages
from a2r.interfaces.langchain.structured_output import (
    Schema,
    response_format,
    with_structured_output,
)
from a2r.solver import A2R
from a2r.workflow.runnable_config import isolated_config

OPTIONS = frozenset(field.name for field in fields(ChatOptions))
STREAM_OPTIONS = frozenset({"stream", "stream_usage"})
_ADAPTER = TypeAdapter(ChatOptions)


class ChatA2R(BaseChatModel):
    """A config as a chat model: several samples, and a synthesis if they disagree.

    The content of a reply is the solution, or with a `response_format` only the answer. The usage
    counts all calls of the run; `response_metadata["a2r"]` has its details. A stream has the
    progress as `additional_kwargs["reasoning_content"]`, and the synthesizer's text as it is
    generated. Every option can be set on the model, bound, or passed with a call:
    `model.invoke(q, samples=4)`. The options of `a2r.interfaces.chat.ChatOptions` that are not
    fields of this class, such as `response_format`, can be bound or passed.

    Raises:
        QuestionError: the last message is not a human message, or a message is not text.
        NoAnswerError: no sample finished; `error.result` has the outcome of each.
        ConfigError: an option is invalid for the config.
        OptionError: an option is unknown, or has the wrong type.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    solver: A2R = Field(exclude=True, repr=False)
    """The solver that runs the questions; `solver.close()` stops the embedded engine's servers."""
    samples: int | None = None
    """Samples of the explorer, in one wave; for all options, `None` means the config's value."""
    temperature: float | None = None
    """Temperature of both roles; 0 applies only to a role that draws a single reply."""
    max_tokens: int | None = None
    """Maximum number of tokens of each call to a model."""
    seed: int | None = None
    """Seed of the first sample."""
    stop: list[str] | None = None
    """Stop sequences of both roles."""
    streaming: bool | None = None
    """Whether `invoke` streams as well, for token callbacks; `False` disables all streaming."""
    stream_usage: bool = True
    """Whether the last chunk of a stream has the usage."""

    def __init__(
        self,
        config: ConfigSource | None = None,
        *,
        overrides: Mapping[str, Any] | None = None,
        solver: A2R | None = None,
        **fields: Any,
    ) -> None:
        """Create the model of a config, or of an `A2R`, whose clients and limits it shares.

        Args:
            config: a config's name, a path to a YAML file, a mapping, or a config object.
            overrides: config values by dotted key, such as `{"explorer.samples": 8}`.
            solver: an `A2R` in place of a config. Its checkpointer is not used.
            fields: the fields of this class and of `BaseChatModel`.

        Raises:
            ConfigError: the config is invalid, or both a config and a solver are passed.
            OptionError: a field is unknown, or has the wrong type.
        """
        if solver is not None and config is not None:
            raise ConfigError("pass ChatA2R a config or a solver, not both")
        check_type(solver, (A2R, NoneType), "solver is an A2R")
        source = config if solver is None else solver.workflow
        values: dict[str, Any] = {**fields, "solver": A2R(source, overrides=overrides)}
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _option_error(error) from error

    @property
    def model_name(self) -> str:
        """The config's name."""
        return self.solver.config.name

    @property
    def _llm_type(self) -> str:
        return PROVIDER

    @cached_property
    def _config_digest(self) -> str:
        values = json.dumps(self.solver.config.values(), sort_keys=True)
        return hashlib.sha256(values.encode()).hexdigest()

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {
            "model_name": self.model_name,
            "config_sha256": self._config_digest,
            **self._field_options(),
        }

    def _field_options(self) -> dict[str, Any]:
        names = ("samples", "temperature", "max_tokens", "seed", "stop")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=self.stop if stop is None else stop, **kwargs)
        return LangSmithParams(**{**params, "ls_provider": PROVIDER})

    def _resolve_model_profile(self) -> ModelProfile | None:
        return ModelProfile(
            text_inputs=True,
            image_inputs=False,
            audio_inputs=False,
            video_inputs=False,
            text_outputs=True,
            reasoning_output=True,
            tool_calling=False,
            structured_output=True,
        )

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        request = self._request(messages, stop, kwargs)
        return request.reply(run_sync(request.result))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        request = await asyncio.to_thread(self._request, messages, stop, kwargs)
        return request.reply(await request.result())

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        request = self._request(messages, stop, kwargs)
        with closing(iterate_sync(request.chunks)) as chunks:
            for chunk in chunks:
                if run_manager is not None:
                    run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        request = await asyncio.to_thread(self._request, messages, stop, kwargs)
        async with aclosing(request.chunks()) as chunks:
            async for chunk in chunks:
                if run_manager is not None:
                    await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind no tools, as agents without tools do.

        Raises:
            NotImplementedError: there are tools, which A2R does not call.
        """
        if tools:
            raise NotImplementedError(NO_TOOLS)
        return self.bind(**kwargs)

    def with_structured_output(
        self,
        schema: Schema | None = None,
        *,
        method: str = "json_schema",
        include_raw: bool = False,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Combine this model with a parser. Samples that do not conform to the schema do not vote.

        Args:
            schema: a Pydantic class, which makes the output an object of it; or a TypedDict class,
                a JSON schema or an OpenAI function, which make it a dict.
            method: `json_schema`; or `json_mode`, with which the question has to describe the JSON.
            include_raw: output a dict of `raw` (the message), `parsed` and `parsing_error`.
            strict: passed to the server with the schema.
            kwargs: not supported.

        Raises:
            ValueError: the method or an argument is unknown.
            OptionError: the schema is of another type.
        """
        if kwargs:
            raise ValueError(f"unsupported arguments: {', '.join(sorted(kwargs))}")
        bound = self.bind(
            response_format=response_format(schema, method, strict=strict),
            ls_structured_output_format={"kwargs": {"method": method}, "schema": schema},
        )
        return with_structured_output(bound, schema, include_raw=include_raw)

    def _request(
        self, messages: Sequence[BaseMessage], stop: list[str] | None, kwargs: Mapping[str, Any]
    ) -> ChatRequest:
        """The request of a call. Validating a response format takes time: keep off the loop."""
        options = self._options(stop, kwargs)
        base = self.solver.config.config
        overrides = options.overrides(base)
        config = self.solver.workflow.override(overrides).loaded.config
        return ChatRequest(
            solver=self.solver,
            messages=validate_messages(messages),
            config=isolated_config(),
            overrides=overrides,
            answer_alone=config.answers.format_for_kind(config.requested_kind) is not None,
            warnings=options.ineffective_options(base),
            stream_usage=_stream_usage(kwargs.get("stream_usage"), self.stream_usage),
        )

    def _options(self, stop: list[str] | None, kwargs: Mapping[str, Any]) -> ChatOptions:
        call_options = {
            name: value
            for name, value in kwargs.items()
            if name not in STREAM_OPTIONS and value is not None
        }
        if call_options.keys() & {"tools", "tool_choice"}:
            raise NotImplementedError(NO_TOOLS)
        for name in call_options.keys() - OPTIONS:
            raise OptionError(f"ChatA2R has no option {name!r}{suggestion(name, OPTIONS)}", name)
        if call_options.get("response_format") == {"type": "text"}:
            del call_options["response_format"]
        options = self._field_options() | call_options
        return _validate_options(options if stop is None else options | {"stop": stop})


def _stream_usage(value: object, default: bool) -> bool:
    if value is None:
        return default
    if not isinstance(value, bool):
        raise OptionError(
            f"option stream_usage: expected True or False, got {value!r}", "stream_usage"
        )
    return value


def _validate_options(options: dict[str, Any]) -> ChatOptions:
    try:
        return _ADAPTER.validate_python(options)
    except ValidationError as error:
        raise _option_error(error) from error


def _option_error(error: ValidationError) -> OptionError:
    first = error.errors()[0]
    name = str(first["loc"][0])
    if first["type"] == "extra_forbidden":
        names = ChatA2R.model_fields.keys() - {"solver"}
        return OptionError(f"ChatA2R has no field {name!r}{suggestion(name, names)}", name)
    return OptionError(f"option {name}: {first['msg']}, got {first['input']!r}", name)
