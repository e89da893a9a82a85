"""What a config may say: the pydantic models behind the YAML files in `configs/`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from a2r.answers import Kind, Settings
from a2r.config.prompts import PromptsConfig
from a2r.config.serve import FREE_FORM, ServeConfig

EMBEDDED = "embedded"
MOST = 10**9
MOST_SAMPLES = 10_000
MOST_SEED = 2**53
RESERVED = frozenset({"model", "messages", "stream", "stream_options", "n", "seed"})
RoleName = Literal["explorer", "synthesizer"]


def _not_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a number is needed, not true or false")
    return value


def _endpoint(value: str) -> str:
    if value == EMBEDDED:
        return value
    if not _is_url(value):
        raise ValueError("neither 'embedded' nor a URL like http://host:8000/v1")
    return value.rstrip("/")


def _is_url(value: str) -> bool:
    if not value.isascii() or not value.isprintable() or " " in value:
        return False
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(host)


def _json_object(value: dict[str, Any]) -> dict[str, Any]:
    taken = sorted(RESERVED & value.keys())
    if taken:
        raise ValueError(f"{taken[0]!r} is a2r's own to send")
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"cannot be sent as JSON ({error})") from error
    return value


Count = Annotated[int, BeforeValidator(_not_bool), Field(ge=1, le=MOST)]
Samples = Annotated[int, BeforeValidator(_not_bool), Field(ge=1, le=MOST_SAMPLES)]
Number = Annotated[float, BeforeValidator(_not_bool), Field(allow_inf_nan=False)]
Seconds = Annotated[float, BeforeValidator(_not_bool), Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[Number, Field(gt=0)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]


class Section(BaseModel):
    """Base of the sections: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class SamplingConfig(Section):
    """Sampling settings sent with every request; what is null is not sent.

    A sample's own seed is `seed` plus its index; with a null seed none is sent.
    """

    temperature: Annotated[Number, Field(ge=0)] | None = None
    top_p: Annotated[Number, Field(gt=0, le=1)] | None = None
    max_tokens: Count | None = None
    seed: Annotated[int, BeforeValidator(_not_bool), Field(ge=0, le=MOST_SEED)] | None = 0
    extra_body: Annotated[dict[str, Any], AfterValidator(_json_object)] = Field(
        default_factory=dict
    )


class PriceConfig(Section):
    """Price per million tokens; null is unknown, and an unknown price gives an unknown cost."""

    input: Annotated[Number, Field(ge=0)] | None = None
    output: Annotated[Number, Field(ge=0)] | None = None
    currency: str = "USD"


def _served_at(serve: Any) -> list[str]:
    try:
        return ServeConfig.model_validate(serve).endpoints
    except ValidationError:
        # The section says itself what is wrong with it; this only stands in for what it lacks.
        return [EMBEDDED]


class RoleConfig(Section):
    """One role: its model, where it is served, and how it is sampled.

    `samples` is one wave of that many; `waves` lists the sizes of several; never both.
    `endpoints` may be left out where `serve` says which servers `a2r up` starts. `weights`, one
    for each endpoint, say how much work each may have beside the others. `concurrency` is the
    most requests that one endpoint ever gets at once. `retries` bounds the extra calls for a
    sample after faults that may pass. `stream` false asks for whole
    replies; a stream is what tells the tokens of a call that is cut off.
    """

    model: Annotated[str, Field(min_length=1)]
    endpoints: Annotated[list[Endpoint], Field(min_length=1)]
    weights: list[Weight] | None = None
    serve: ServeConfig | None = None
    stream: bool = True
    api_key_env: str | None = None
    concurrency: Count = 256
    samples: Samples | None = None
    waves: Annotated[list[Samples], Field(min_length=1, max_length=1000)] | None = None
    retries: Annotated[int, BeforeValidator(_not_bool), Field(ge=0, le=1000)] = 5
    sampling: SamplingConfig = SamplingConfig()
    price: PriceConfig = PriceConfig()
    parameters: Annotated[Number, Field(gt=0)] | None = None

    @model_validator(mode="wrap")
    @classmethod
    def _endpoints_of_serve(cls, data: Any, validated: ModelWrapValidatorHandler[Self]) -> Self:
        given = not isinstance(data, Mapping) or data.get("endpoints") is not None
        if given or data.get("serve") is None:
            return validated(data)
        role = validated({**data, "endpoints": _served_at(data["serve"])})
        # What follows from `serve` is not set: it follows from whatever is laid over that, too.
        role.model_fields_set.discard("endpoints")
        return role

    @model_validator(mode="after")
    def _one_weight_an_endpoint(self) -> RoleConfig:
        if self.weights is not None and len(self.weights) != len(self.endpoints):
            raise ValueError(
                f"{len(self.weights)} weights for {len(self.endpoints)} endpoints: one for each"
            )
        return self

    @model_validator(mode="after")
    def _one_of_samples_and_waves(self) -> RoleConfig:
        if self.samples is not None and self.waves is not None:
            raise ValueError("says both samples and waves: keep one of them")
        return self

    @cached_property
    def fingerprint(self) -> str:
        """A text that is equal for equal roles."""
        return self.model_dump_json()

    @property
    def wave_sizes(self) -> list[int]:
        """The size of each wave, in order; without `samples` or `waves`, one wave of one."""
        return list(self.waves) if self.waves is not None else [self.samples or 1]


class GateConfig(Section):
    """The gate's rule, and the share of started samples that must have answered."""

    rule: Literal["unanimous", "always", "never"] = "unanimous"
    quorum: Annotated[Number, Field(ge=0, le=1)] = 0.5


class AnswersConfig(Section):
    """How answers are read and compared; see `a2r.answers.Settings`.

    `last_number` says what a bare last number is worth where a text announces no answer: `never`
    an answer, a `vote`, or a vote that also counts towards unanimity. `digits` null compares
    numbers exactly. The seconds bound one symbolic comparison, and one clustering.
    """

    last_number: Literal["never", "vote", "unanimity"] = "never"
    percent: Literal["fraction", "number"] = "fraction"
    units: Literal["strict", "shared"] = "shared"
    digits: Annotated[int, BeforeValidator(_not_bool), Field(ge=1, le=50)] | None = None
    compare_seconds: Annotated[Seconds, Field(le=60)] = 0.5
    cluster_seconds: Annotated[Seconds, Field(le=600)] = 2.0

    @cached_property
    def settings(self) -> Settings:
        """The settings of `a2r.answers` that these values stand for."""
        values = self.model_dump()
        return Settings(**(values | {"last_number": self.last_number != "never"}))


class DeadlineConfig(Section):
    """Seconds after which a call, a sample and a question are cut off.

    `call` is one request; a call that it ends is retried elsewhere. `silence` ends a call whose
    stream has begun and then brings nothing. `sample` is a sample or a synthesis with all its
    waiting and its retries; null leaves it the question's. Nothing outlives `question`.
    """

    call: Seconds = 600.0
    silence: Seconds = 120.0
    sample: Seconds | None = None
    question: Seconds = 1800.0


class EngineConfig(Section):
    """The embedded engine: parallel slots, tokens of context a slot, threads (null: all cores)."""

    slots: Count = 8
    context: Count = 4096
    threads: Count | None = None


class Config(Section):
    """A whole setup. `graph` is a name in graphs/, a path to a file, or `module:function`."""

    graph: Annotated[str, Field(min_length=1)] = "a2r"
    kind: Kind = "auto"
    explorer: RoleConfig
    synthesizer: RoleConfig | None = None
    gate: GateConfig = GateConfig()
    answers: AnswersConfig = AnswersConfig()
    deadline: DeadlineConfig = DeadlineConfig()
    engine: EngineConfig = EngineConfig()
    prompts: PromptsConfig = PromptsConfig()

    @field_validator("synthesizer")
    @classmethod
    def _no_waves(cls, role: RoleConfig | None, info: ValidationInfo) -> RoleConfig | None:
        if role is not None and role.waves is not None:
            raise ValueError("the synthesizer knows samples, not waves")
        return role

    @model_validator(mode="after")
    def _one_currency(self) -> Config:
        if self.synthesizer and self.synthesizer.price.currency != self.explorer.price.currency:
            raise ValueError("the prices of the two roles are in different currencies")
        return self

    def role(self, name: RoleName) -> RoleConfig | None:
        """The section of a role, or `None` where the config has no synthesizer."""
        return self.explorer if name == "explorer" else self.synthesizer


def dotted(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested mapping as one flat mapping of dotted keys; free-form mappings stay whole."""
    flat: dict[str, Any] = {}
    for key, value in data.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping) and key not in FREE_FORM:
            flat.update(dotted(value, f"{path}."))
        else:
            flat[path] = value
    return flat
