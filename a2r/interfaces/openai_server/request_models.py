"""The requests that the server takes: OpenAI's chat completions, and A2R's own field in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from a2r.answers import Kind
from a2r.config.field_types import json_serializable
from a2r.config.gate import RULES
from a2r.interfaces.openai_server.api_errors import invalid_value


def _whole(value: Any) -> Any:
    """JSON has one kind of number: 2.0 is an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
Text = Annotated[str, Field(max_length=4 << 20)]
MAX_MESSAGES = 2048
Penalty = Annotated[float, Field(ge=-2, le=2)]
Rule = Annotated[str, Field(pattern=f"^({'|'.join(RULES)})$")]


class Strict(BaseModel):
    """Base of what is read: a text is no number, and an unknown field is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, protected_namespaces=())


class Part(BaseModel):
    """A part of a message; only texts can be asked."""

    model_config = ConfigDict(frozen=True, strict=True)

    type: str
    text: Text | None = None
    refusal: Text | None = None


class Message(BaseModel):
    """A message of the chat; what replies carry beside their content is not read."""

    model_config = ConfigDict(frozen=True, strict=True)

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Text | Annotated[list[Part], Field(max_length=MAX_MESSAGES)] | None = None
    tool_calls: list[dict[str, Any]] | None = None
    function_call: dict[str, Any] | None = None


class StreamOptions(Strict):
    """Options of a stream."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class JsonSchema(Strict):
    """A named JSON schema."""

    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: str | None = None
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None


class ResponseFormat(Strict):
    """The form of the answer."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = Field(default=None, validate_default=True)

    @field_validator("json_schema")
    @classmethod
    def _there(cls, value: JsonSchema | None, info: ValidationInfo) -> JsonSchema | None:
        wanted = info.data.get("type") == "json_schema"
        if wanted and value is None:
            raise PydanticCustomError("missing", "Field required")
        if value is not None and not wanted:
            raise PydanticCustomError("extra_forbidden", "Only the type json_schema has one")
        return value


class GateOptions(Strict):
    """The gate of one request."""

    rule: Rule | None = None
    quorum: Annotated[float, Field(ge=0, le=1)] | None = None
    threshold: Annotated[float, Field(gt=0, le=1)] | None = None
    window: Annotated[int, Field(ge=2, le=10_000), WHOLE] | None = None


class A2ROptions(Strict):
    """What a request may change of A2R, as far as the operator allows it."""

    samples: Annotated[int, Field(ge=1, le=10_000), WHOLE] | None = None
    gate: Rule | GateOptions | None = None
    config: str | None = None
    graph: str | None = None
    kind: Kind | None = None


class ChatCompletionRequest(Strict):
    """A request for chat completions."""

    model: str
    messages: Annotated[list[Message], Field(min_length=1, max_length=MAX_MESSAGES)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Field(ge=1, le=128), WHOLE] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=10**9), WHOLE] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1, le=10**9), WHOLE] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63), WHOLE] | None = None
    stop: Text | Annotated[list[Text], Field(max_length=16)] | None = None
    response_format: ResponseFormat | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    top_k: Annotated[int, Field(ge=-1, le=10**9), WHOLE] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Field(gt=0, le=100)] | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20), WHOLE] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    functions: list[dict[str, Any]] | None = None
    function_call: str | dict[str, Any] | None = None
    modalities: list[str] | None = None
    audio: dict[str, Any] | None = None
    prediction: dict[str, Any] | None = None
    web_search_options: dict[str, Any] | None = None
    chat_template_kwargs: Annotated[dict[str, Any], AfterValidator(json_serializable)] | None = None
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
        """The texts that end a reply; an empty one, which vLLM refuses, ends none."""
        told = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return [text for text in told if text]

    @property
    def effective_max_tokens(self) -> int | None:
        """The most tokens of a reply; the newer name wins."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def sampling(self) -> dict[str, Any]:
        """Further sampling parameters, as vLLM takes them."""
        names = ("frequency_penalty", "presence_penalty", "top_k", "min_p", "repetition_penalty")
        values = {name: getattr(self, name) for name in (*names, "chat_template_kwargs")}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def response_format_dict(self) -> Mapping[str, Any] | None:
        """The response format as it goes on, or `None` for plain text."""
        if self.response_format is None or self.response_format.type == "text":
            return None
        return self.response_format.model_dump(by_alias=True, exclude_none=True)

    def unsupported_fields(self) -> Iterator[str]:
        """The fields that ask for what A2R cannot do."""
        asked = {
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
        return (name for name, value in asked.items() if value)


HEADERS: Mapping[str, str] = {
    "samples": "x-a2r-samples",
    "gate": "x-a2r-gate",
    "config": "x-a2r-config",
    "graph": "x-a2r-graph",
    "kind": "x-a2r-kind",
}
DETAILS = "x-a2r-details"


def options_from_headers(headers: Mapping[str, str], own: A2ROptions | None) -> A2ROptions:
    """A2R's options of a request: those of its body over those of its headers.

    Raises:
        ApiError: a header that does not fit.
    """
    told: dict[str, Any] = {
        name: headers[header] for name, header in HEADERS.items() if header in headers
    }
    if "samples" in told and told["samples"].isascii() and told["samples"].isdigit():
        told["samples"] = int(told["samples"].lstrip("0")[:9] or 0)
    try:
        read = A2ROptions.model_validate(told)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        header = HEADERS[str(first["loc"][0])]
        raise invalid_value(header, f"Invalid value for '{header}': {first['msg']}.") from error
    if own is None:
        return read
    return read.model_copy(update={name: getattr(own, name) for name in own.model_fields_set})
