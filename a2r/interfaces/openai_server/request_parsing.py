"""From a request to a run: which model, which messages, and which values over its config."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage

from a2r.answers.errors import SchemaError
from a2r.answers.sandbox.json_schema import check_schema
from a2r.config.schema import json_schema_of_format
from a2r.errors import A2RError, ConfigError
from a2r.interfaces.chat import ChatOptions
from a2r.interfaces.http.model_registry import ModelRegistry, ServedModel
from a2r.interfaces.http.settings import ServerSettings
from a2r.interfaces.openai_server.api_errors import (
    ApiError,
    from_request_error,
    from_run_error,
    invalid_value,
    unsupported,
)
from a2r.interfaces.openai_server.request_models import A2ROptions, ChatCompletionRequest, Message
from a2r.interfaces.openai_server.validation_errors import above_maximum, missing
from a2r.solver import A2R
from a2r.workflow.inputs import split_history

# OpenAI takes 120,000 characters of names and values.
MAX_SCHEMA_CHARACTERS = 1 << 18
SCHEMA = "response_format.json_schema.schema"
MESSAGES: Mapping[str, Callable[[str], AnyMessage]] = {
    "system": SystemMessage,
    "developer": SystemMessage,
    "user": HumanMessage,
    "assistant": AIMessage,
}


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """A request as it will be run: one run for each of the `overrides`.

    `answer_alone` says that the content is the answer, which conforms to a response format: that
    of the request, or of its config. `warnings` say what of the request has no effect.
    """

    model: ServedModel
    solver: A2R
    messages: Sequence[AnyMessage]
    overrides: Sequence[Mapping[str, Any]]
    response_format: Mapping[str, Any] | None
    answer_alone: bool
    warnings: Sequence[str]


def resolve_request(
    body: ChatCompletionRequest,
    own: A2ROptions,
    model: ServedModel,
    offer: ModelRegistry,
    settings: ServerSettings,
) -> RunRequest:
    """The run that a request asks for.

    Raises:
        ApiError: it cannot be run; with the status and body that OpenAI's API gives.
    """
    for name in body.unsupported_fields():
        raise unsupported(name)
    if body.stream_options is not None and not body.stream:
        what = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise ApiError(400, what, param="stream_options")
    if (body.n or 1) > settings.choices:
        raise above_maximum("n", body.n, settings.choices)
    messages = _messages(body.messages)
    options = _options(body, own)
    config = model.loaded.config
    try:
        split_history(messages)
        overrides = [options.overrides(config, choice=n) for n in range(body.n or 1)]
    except A2RError as error:
        raise from_request_error(error) from error
    return RunRequest(
        model=model,
        solver=_solver(model, offer),
        messages=messages,
        overrides=overrides,
        response_format=body.response_format_dict,
        answer_alone=body.response_format_dict is not None
        or config.answers.format_for_kind(own.kind or config.asked_kind) is not None,
        warnings=options.ineffective_options(config),
    )


def _override(solver: A2R, values: Mapping[str, Any]) -> None:
    try:
        solver.workflow.override(values)
    except ConfigError as error:
        # Does the value not fit, or what the operator has the config load?
        solver.config.override(values)
        raise from_run_error(error) from error


def _solver(model: ServedModel, offer: ModelRegistry) -> A2R:
    try:
        return offer.solver(model)
    except A2RError as error:
        raise from_run_error(error) from error


async def validate_overrides(found: RunRequest) -> None:
    """Read the overrides as the runs will, in a thread: a schema among them may take its time.

    Raises:
        ApiError: one of them does not fit.
    """
    try:
        if found.response_format is not None:
            schema = json.dumps(json_schema_of_format(found.response_format))
            if len(schema) > MAX_SCHEMA_CHARACTERS:
                raise SchemaError(f"it is longer than {MAX_SCHEMA_CHARACTERS} characters")
            await asyncio.to_thread(check_schema, schema)
        for one in filter(None, found.overrides):
            await asyncio.to_thread(_override, found.solver, one)
    except SchemaError as error:
        raise invalid_value(SCHEMA, f"Invalid schema for response_format: {error}") from error
    except A2RError as error:
        raise from_request_error(error) from error


def enforce_allowed_overrides(own: A2ROptions, settings: ServerSettings) -> A2ROptions:
    """What a request changes of A2R, if the operator lets it.

    Raises:
        ApiError: it may not change that, or not so far.
    """
    for name in own.model_fields_set:
        if getattr(own, name) is not None and name not in settings.allowed:
            raise unsupported(f"a2r.{name}", "is not allowed by this server")
    if own.samples is not None and own.samples > settings.samples:
        raise above_maximum("a2r.samples", own.samples, settings.samples)
    return own


def _options(body: ChatCompletionRequest, own: A2ROptions) -> ChatOptions:
    gate: dict[str, Any] = {}
    if isinstance(own.gate, str):
        gate = {"rule": own.gate}
    elif own.gate is not None:
        gate = own.gate.model_dump(exclude_none=True)
    return ChatOptions(
        temperature=body.temperature,
        top_p=body.top_p,
        max_tokens=body.effective_max_tokens,
        seed=body.seed,
        stop=body.stop_sequences,
        extra=body.sampling,
        response_format=body.response_format_dict,
        samples=own.samples,
        kind=own.kind,
        gate=gate,
    )


def _messages(messages: Sequence[Message]) -> list[AnyMessage]:
    found = [_message(place, message) for place, message in enumerate(messages)]
    if not isinstance(found[-1], HumanMessage):
        raise invalid_value("messages", "The last message has to be one of role 'user'.")
    return found


def _message(place: int, message: Message) -> AnyMessage:
    param = f"messages[{place}]"
    kind = MESSAGES.get(message.role)
    if kind is None or message.tool_calls or message.function_call:
        raise unsupported(param, "holds tool calls, which are not supported with this model")
    return kind(_text(message, param))


def _text(message: Message, param: str) -> str:
    content = message.content
    if content is None and message.role == "assistant":
        return ""
    if content is None:
        what = f"Invalid value for '{param}.content': expected a string, got null."
        raise ApiError(400, what, param=f"{param}.content", code="invalid_type")
    if isinstance(content, str):
        return content
    texts = []
    for number, part in enumerate(content):
        place = f"{param}.content[{number}]"
        if part.type not in ("text", "refusal"):
            raise invalid_value(
                place,
                f"Invalid content type: '{part.type[:50]}' is not supported by this model, only "
                "'text' is.",
            )
        text = part.text if part.type == "text" else part.refusal
        if text is None:
            raise missing(f"{place}.{part.type}")
        texts.append(text)
    return "".join(texts)
