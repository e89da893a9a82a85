"""Turn a request into runs: the model, the messages, and the overrides of the config."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage

from a2r.answers.errors import SchemaError
from a2r.answers.sandbox.json_schema import check_schema
from a2r.config.schema import response_format_schema
from a2r.errors import A2RError, ConfigError
from a2r.interfaces.chat import ChatOptions
from a2r.interfaces.http.model_registry import ModelRegistry, ServedModel
from a2r.interfaces.http.settings import ServerSettings
from a2r.interfaces.openai_server.api_errors import (
    ApiError,
    from_request_error,
    from_run_error,
    invalid_value,
    unsupported_parameter,
)
from a2r.interfaces.openai_server.extra_fields import resolve_extra_fields
from a2r.interfaces.openai_server.request_models import A2ROptions, ChatCompletionRequest, Message
from a2r.interfaces.openai_server.validation_errors import above_maximum, missing_parameter
from a2r.solver import A2R
from a2r.workflow.inputs import split_history

# OpenAI's limit is 120,000 characters of names and values.
MAX_SCHEMA_CHARACTERS = 1 << 18
SCHEMA_PARAM = "response_format.json_schema.schema"
MESSAGE_TYPES: Mapping[str, Callable[[str], AnyMessage]] = {
    "system": SystemMessage,
    "developer": SystemMessage,
    "user": HumanMessage,
    "assistant": AIMessage,
}


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """A resolved request: one run for each of the `overrides`.

    `answer_alone`: the content is only the answer, as the request or the config has a response
    format. `passed_fields` are the names of the fields that the endpoints get as they are,
    `warnings` name the options that have no effect.
    """

    model: ServedModel
    solver: A2R
    messages: Sequence[AnyMessage]
    overrides: Sequence[Mapping[str, Any]]
    response_format: Mapping[str, Any] | None
    answer_alone: bool
    passed_fields: Sequence[str]
    warnings: Sequence[str]


def resolve_request(
    body: ChatCompletionRequest,
    a2r_options: A2ROptions,
    model: ServedModel,
    registry: ModelRegistry,
    settings: ServerSettings,
) -> RunRequest:
    """Resolve a request for a model.

    Raises:
        ApiError: the request is invalid, or the model cannot be run.
    """
    for name in body.unsupported_fields():
        raise unsupported_parameter(name)
    if body.stream_options is not None and not body.stream:
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise ApiError(400, message, param="stream_options")
    if (body.n or 1) > settings.max_choices:
        raise above_maximum("n", body.n, settings.max_choices)
    extra_fields = resolve_extra_fields(body, settings)
    messages = _messages(body.messages)
    options = _chat_options(body, a2r_options, extra_fields.passed)
    config = model.loaded.config
    try:
        split_history(messages)
        overrides = [options.overrides(config, choice=n) for n in range(body.n or 1)]
    except A2RError as error:
        raise from_request_error(error) from error
    return RunRequest(
        model=model,
        solver=_solver(model, registry),
        messages=messages,
        overrides=overrides,
        response_format=body.response_format_dict,
        answer_alone=body.response_format_dict is not None
        or config.answers.format_for_kind(a2r_options.kind or config.requested_kind) is not None,
        passed_fields=list(extra_fields.passed),
        warnings=[*options.ineffective_options(config), *extra_fields.warnings],
    )


def _override(solver: A2R, values: Mapping[str, Any]) -> None:
    try:
        solver.workflow.override(values)
    except ConfigError as error:
        # If the values are invalid, this raises again, and the client has to correct them.
        solver.config.override(values)
        # They are valid: the operator's graph or gate cannot be built.
        raise from_run_error(error) from error


def _solver(model: ServedModel, registry: ModelRegistry) -> A2R:
    try:
        return registry.solver(model)
    except A2RError as error:
        raise from_run_error(error) from error


async def validate_overrides(request: RunRequest) -> None:
    """Validate the overrides of all runs in a thread, as a schema may take long to check.

    Raises:
        ApiError: an override is invalid.
    """
    try:
        if request.response_format is not None:
            schema = json.dumps(response_format_schema(request.response_format))
            if len(schema) > MAX_SCHEMA_CHARACTERS:
                raise SchemaError(f"it is longer than {MAX_SCHEMA_CHARACTERS} characters")
            await asyncio.to_thread(check_schema, schema)
        for overrides in filter(None, request.overrides):
            await asyncio.to_thread(_override, request.solver, overrides)
    except SchemaError as error:
        message = f"Invalid schema for response_format: {error}"
        raise invalid_value(SCHEMA_PARAM, message) from error
    except A2RError as error:
        raise from_request_error(error) from error


def enforce_allowed_overrides(options: A2ROptions, settings: ServerSettings) -> A2ROptions:
    """The options of a request, if the operator allows all of them.

    Raises:
        ApiError: an override is not allowed, or exceeds the operator's limit.
    """
    for name in options.model_fields_set:
        if getattr(options, name) is not None and name not in settings.allowed:
            raise unsupported_parameter(f"a2r.{name}", "is not allowed by this server")
    if options.samples is not None and options.samples > settings.max_samples:
        raise above_maximum("a2r.samples", options.samples, settings.max_samples)
    return options


def _chat_options(
    body: ChatCompletionRequest, a2r_options: A2ROptions, passed: Mapping[str, Any]
) -> ChatOptions:
    gate: dict[str, Any] = {}
    if isinstance(a2r_options.gate, str):
        gate = {"rule": a2r_options.gate}
    elif a2r_options.gate is not None:
        gate = a2r_options.gate.model_dump(exclude_none=True)
    return ChatOptions(
        temperature=body.temperature,
        top_p=body.top_p,
        max_tokens=body.effective_max_tokens,
        seed=body.seed,
        stop=body.stop_sequences,
        extra={**body.sampling, **passed},
        response_format=body.response_format_dict,
        samples=a2r_options.samples,
        kind=a2r_options.kind,
        gate=gate,
    )


def _messages(messages: Sequence[Message]) -> list[AnyMessage]:
    converted = [_message(index, message) for index, message in enumerate(messages)]
    if not isinstance(converted[-1], HumanMessage):
        raise invalid_value("messages", "The last message must have the role 'user'.")
    return converted


def _message(index: int, message: Message) -> AnyMessage:
    param = f"messages[{index}]"
    message_type = MESSAGE_TYPES.get(message.role)
    if message_type is None or message.tool_calls or message.function_call:
        reason = "contains tool calls, which are not supported with this model"
        raise unsupported_parameter(param, reason)
    return message_type(_text(message, param))


def _text(message: Message, param: str) -> str:
    content = message.content
    if content is None and message.role == "assistant":
        return ""
    if content is None:
        error = f"Invalid value for '{param}.content': expected a string, got null."
        raise ApiError(400, error, param=f"{param}.content", code="invalid_type")
    if isinstance(content, str):
        return content
    texts = []
    for index, part in enumerate(content):
        part_param = f"{param}.content[{index}]"
        if part.type not in ("text", "refusal"):
            raise invalid_value(
                part_param,
                f"Invalid content type: '{part.type[:50]}' is not supported with this model. Use "
                "'text'.",
            )
        text = part.text if part.type == "text" else part.refusal
        if text is None:
            raise missing_parameter(f"{part_param}.{part.type}")
        texts.append(text)
    return "".join(texts)
