"""The request schemas: OpenAI's chat completions, with the additional field `a2r`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from a2r.answers import Kind
from a2r.config.gate import RULES
from a2r.interfaces.openai_server.api_errors import invalid_value
from a2r.interfaces.openai_server.strict_model import INTEGER, StrictModel, Text
from a2r.interfaces.openai_server.vllm_fields import VllmFields

MAX_MESSAGES = 2048
Penalty = Annotated[float, Field(ge=-2, le=2)]
Rule = Annotated[str, Field(pattern=f"^({'|'.join(RULES)})$")]


class Part(BaseModel):
    """A part of a message; only text is supported."""

    model_config = ConfigDict(frozen=True, strict=True)

    type: str
    text: Text | None = None
    refusal: Text | None = None


class Message(BaseModel):
    """A message of the chat; unknown fields, such as those of replies, are ignored."""

    model_config = ConfigDict(frozen=True, strict=True)

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Text | Annotated[list[Part], Field(max_length=MAX_MESSAGES)] | None = None
    tool_calls: list[dict[str, Any]] | None = None
    function_call: dict[str, Any] | None = None


class StreamOptions(StrictModel):
    """Options of a stream."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class JsonSchema(StrictModel):
    """A named JSON schema."""

    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: str | None = None
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None


class ResponseFormat(StrictModel):
    """The format of the answer."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = Field(default=None, validate_default=True)

    @field_validator("json_schema")
    @classmethod
    def _match_type(cls, value: JsonSchema | None, info: ValidationInfo) -> JsonSchema | None:
        required = info.data.get("type") == "json_schema"
        if required and value is None:
            raise PydanticCustomError("missing", "Field required")
        if value is not None and not required:
            raise PydanticCustomError("extra_forbidden", "Only allowed with type json_schema")
        return value


class GateOptions(StrictModel):
    """The gate settings of one request."""

    rule: Rule | None = None
    quorum: Annotated[float, Field(ge=0, le=1)] | None = None
    threshold: Annotated[float, Field(gt=0, le=1)] | None = None
    window: Annotated[int, Field(ge=2, le=10_000), INTEGER] | None = None


class A2ROptions(StrictModel):
    """The overrides of a request, as far as the operator allows them."""

    samples: Annotated[int, Field(ge=1, le=10_000), INTEGER] | None = None
    gate: Rule | GateOptions | None = None
    config: str | None = None
    graph: str | None = None
    kind: Kind | None = None


class ChatCompletionRequest(VllmFields):
    """A request for a chat completion.

    Unknown fields are in `model_extra`: the server's settings determine how they are handled.
    """

    model_config = ConfigDict(extra="allow", json_schema_extra={"additionalProperties": False})

    model: str
    messages: Annotated[list[Message], Field(min_length=1, max_length=MAX_MESSAGES)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Field(ge=1, le=128), INTEGER] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=10**9), INTEGER] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1, le=10**9), INTEGER] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63), INTEGER] | None = None
    stop: Text | Annotated[list[Text], Field(max_length=16)] | None = None
    response_format: ResponseFormat | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20), INTEGER] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    functions: list[dict[str, Any]] | None = None
    function_call: str | dict[str, Any] | None = None
    modalities: list[str] | None = None
    audio: dict[str, Any] | None = None
    prediction: dict[str, Any] | None = None
    web_search_options: dict[str, Any] | None = None
    moderation: dict[str, Any] | None = None
    user: str | None = None
    metadata: dict[str, Any] | None = None
    store: bool | None = None
    service_tier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    prompt_cache_retention: str | None = None
    safety_identifier: str | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    a2r: A2ROptions | None = None

    @property
    def stop_sequences(self) -> list[str]:
        """The stop sequences, without empty ones, which vLLM rejects."""
        sequences = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return [text for text in sequences if text]

    @property
    def effective_max_tokens(self) -> int | None:
        """The maximum number of tokens of a reply; `max_completion_tokens` takes precedence."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def sampling(self) -> dict[str, Any]:
        """Further sampling parameters of OpenAI's API."""
        names = ("frequency_penalty", "presence_penalty")
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def response_format_dict(self) -> Mapping[str, Any] | None:
        """The response format as a JSON object, or `None` for plain text."""
        if self.response_format is None or self.response_format.type == "text":
            return None
        return self.response_format.model_dump(by_alias=True, exclude_none=True)

    def unsupported_fields(self) -> Iterator[str]:
        """The names of the fields that request an unsupported feature."""
        values = {
            "tools": self.tools,
            "functions": self.functions,
            "logprobs": self.logprobs,
            "top_logprobs": self.top_logprobs,
            "logit_bias": self.logit_bias,
            "audio": self.audio,
            "prediction": self.prediction,
            "web_search_options": self.web_search_options,
            "moderation": self.moderation,
            "modalities": [kind for kind in self.modalities or [] if kind != "text"],
        }
        return (name for name, value in values.items() if value)


OPTION_HEADERS: Mapping[str, str] = {
    "samples": "x-a2r-samples",
    "gate": "x-a2r-gate",
    "config": "x-a2r-config",
    "graph": "x-a2r-graph",
    "kind": "x-a2r-kind",
}
DETAILS_HEADER = "x-a2r-details"


def options_from_headers(headers: Mapping[str, str], body: A2ROptions | None) -> A2ROptions:
    """A2R's options of a request; those of the body take precedence over the headers.

    Raises:
        ApiError: a header is invalid.
    """
    values: dict[str, Any] = {
        name: headers[header] for name, header in OPTION_HEADERS.items() if header in headers
    }
    if "samples" in values and values["samples"].isascii() and values["samples"].isdigit():
        values["samples"] = int(values["samples"].lstrip("0")[:9] or 0)
    try:
        options = A2ROptions.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        header = OPTION_HEADERS[str(first["loc"][0])]
        raise invalid_value(header, f"Invalid value for '{header}': {first['msg']}.") from error
    if body is None:
        return options
    return options.model_copy(update={name: getattr(body, name) for name in body.model_fields_set})
