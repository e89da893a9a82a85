"""The sections `explorer` and `synthesizer`: model, endpoints, sampling and prices of a role."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import (
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)

from a2r.config.field_types import (
    EMBEDDED,
    MAX_SEED,
    Count,
    Endpoint,
    JsonObject,
    Number,
    Samples,
    Section,
    Weight,
    reject_bool,
)
from a2r.config.vllm import VllmConfig

# Fields of a request beside `max_tokens` that set the length of its reply.
LENGTH_SETTINGS = ("max_completion_tokens", "max_tokens", "min_tokens")


class SamplingConfig(Section):
    """Sampling settings of every request; null values are not sent.

    The seed of a sample is `seed` plus the index of the sample. With a null seed none is sent.
    """

    temperature: Annotated[Number, Field(ge=0)] | None = None
    top_p: Annotated[Number, Field(gt=0, le=1)] | None = None
    max_tokens: Count | None = None
    seed: Annotated[int, BeforeValidator(reject_bool), Field(ge=0, le=MAX_SEED)] | None = 0
    extra_body: JsonObject = Field(default_factory=dict)

    def with_max_tokens(self, limit: int) -> SamplingConfig:
        """A copy with replies of at most `limit` tokens, without other settings of the length."""
        extra = {key: value for key, value in self.extra_body.items() if key not in LENGTH_SETTINGS}
        return self.model_copy(update={"max_tokens": limit, "extra_body": extra})


class PriceConfig(Section):
    """Prices per million tokens; null is unknown. An unknown price makes the cost unknown."""

    input: Annotated[Number, Field(ge=0)] | None = None
    output: Annotated[Number, Field(ge=0)] | None = None
    currency: str = "USD"


def _vllm_endpoints(vllm: Any) -> list[str]:
    try:
        return VllmConfig.model_validate(vllm).endpoints
    except ValidationError:
        # The validation of the section reports the error; this is only a placeholder.
        return [EMBEDDED]


class RoleConfig(Section):
    """One role: its model, its endpoints, and its sampling settings.

    Attributes:
        endpoints: the base URLs; by default those of the servers in `vllm`.
        weights: the relative share of requests of each endpoint; null: equal shares.
        vllm: the vLLM servers that `a2r up` starts.
        stream: request streamed replies, which make the tokens of a cancelled call known.
        concurrency: the maximum number of concurrent requests to one endpoint.
        samples: the size of a single wave; excludes `waves`.
        waves: the sizes of several waves; excludes `samples`.
        retries: the maximum number of additional calls for a sample after transient errors.
        parameters: the number of parameters of the model, for reports.
    """

    model: Annotated[str, Field(min_length=1)]
    endpoints: Annotated[list[Endpoint], Field(min_length=1)]
    weights: list[Weight] | None = None
    vllm: VllmConfig | None = None
    stream: bool = True
    api_key_env: str | None = None
    concurrency: Count = 256
    samples: Samples | None = None
    waves: Annotated[list[Samples], Field(min_length=1, max_length=1000)] | None = None
    retries: Annotated[int, BeforeValidator(reject_bool), Field(ge=0, le=1000)] = 5
    sampling: SamplingConfig = SamplingConfig()
    price: PriceConfig = PriceConfig()
    parameters: Annotated[Number, Field(gt=0)] | None = None

    @model_validator(mode="wrap")
    @classmethod
    def _default_endpoints(cls, data: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        explicit = not isinstance(data, Mapping) or data.get("endpoints") is not None
        if explicit or data.get("vllm") is None:
            return validate(data)
        role = validate({**data, "endpoints": _vllm_endpoints(data["vllm"])})
        # Derived endpoints do not count as set, so that overrides of `vllm` change them.
        role.model_fields_set.discard("endpoints")
        return role

    @model_validator(mode="after")
    def _check_weights(self) -> RoleConfig:
        if self.weights is not None and len(self.weights) != len(self.endpoints):
            raise ValueError(
                f"{len(self.weights)} weights for {len(self.endpoints)} endpoints; set one for each"
            )
        return self

    @model_validator(mode="after")
    def _check_samples_or_waves(self) -> RoleConfig:
        if self.samples is not None and self.waves is not None:
            raise ValueError("set either samples or waves, not both")
        return self

    def with_sampling(self, sampling: SamplingConfig) -> RoleConfig:
        """A copy with other sampling settings."""
        # `model_copy` would copy the cached fingerprint, too.
        return RoleConfig.model_validate({**self.model_dump(), "sampling": sampling})

    @cached_property
    def fingerprint(self) -> str:
        """A text that is equal for roles that differ only in the seed or the number of samples."""
        sampling = self.sampling.model_copy(update={"seed": None})
        role = self.model_copy(update={"sampling": sampling, "samples": None, "waves": None})
        return role.model_dump_json()

    @property
    def wave_sizes(self) -> list[int]:
        """The size of each wave, in order; by default a single wave of one sample."""
        return list(self.waves) if self.waves is not None else [self.samples or 1]
