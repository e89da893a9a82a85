"""What a config may say of a role: its model, where it is served, how it is sampled."""

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


class SamplingConfig(Section):
    """Sampling settings sent with every request; what is null is not sent.

    A sample's own seed is `seed` plus its index; with a null seed none is sent.
    """

    temperature: Annotated[Number, Field(ge=0)] | None = None
    top_p: Annotated[Number, Field(gt=0, le=1)] | None = None
    max_tokens: Count | None = None
    seed: Annotated[int, BeforeValidator(reject_bool), Field(ge=0, le=MAX_SEED)] | None = 0
    extra_body: JsonObject = Field(default_factory=dict)


class PriceConfig(Section):
    """Price per million tokens; null is unknown, and an unknown price gives an unknown cost."""

    input: Annotated[Number, Field(ge=0)] | None = None
    output: Annotated[Number, Field(ge=0)] | None = None
    currency: str = "USD"


def _vllm_endpoints(vllm: Any) -> list[str]:
    try:
        return VllmConfig.model_validate(vllm).endpoints
    except ValidationError:
        # The section says itself what is wrong with it; this only stands in for what it lacks.
        return [EMBEDDED]


class RoleConfig(Section):
    """One role: its model, where it is served, and how it is sampled.

    `samples` is one wave of that many; `waves` lists the sizes of several; never both.
    `endpoints` may be left out where `vllm` says which servers `a2r up` starts. `weights`, one
    for each endpoint, say how much work each may have beside the others. `concurrency` is the
    most requests that one endpoint ever gets at once. `retries` bounds the extra calls for a
    sample after faults that may pass. `stream` false asks for whole
    replies; a stream is what tells the tokens of a call that is cut off.
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
    def _default_endpoints(cls, data: Any, validated: ModelWrapValidatorHandler[Self]) -> Self:
        given = not isinstance(data, Mapping) or data.get("endpoints") is not None
        if given or data.get("vllm") is None:
            return validated(data)
        role = validated({**data, "endpoints": _vllm_endpoints(data["vllm"])})
        # What follows from `vllm` is not set: it follows from whatever is laid over that, too.
        role.model_fields_set.discard("endpoints")
        return role

    @model_validator(mode="after")
    def _check_weights(self) -> RoleConfig:
        if self.weights is not None and len(self.weights) != len(self.endpoints):
            raise ValueError(
                f"{len(self.weights)} weights for {len(self.endpoints)} endpoints: one for each"
            )
        return self

    @model_validator(mode="after")
    def _check_samples_or_waves(self) -> RoleConfig:
        if self.samples is not None and self.waves is not None:
            raise ValueError("says both samples and waves: keep one of them")
        return self

    @cached_property
    def fingerprint(self) -> str:
        """A text that is equal for roles that differ in the seed or the number of samples alone."""
        sampling = self.sampling.model_copy(update={"seed": None})
        same = self.model_copy(update={"sampling": sampling, "samples": None, "waves": None})
        return same.model_dump_json()

    @property
    def wave_sizes(self) -> list[int]:
        """The size of each wave, in order; without `samples` or `waves`, one wave of one."""
        return list(self.waves) if self.waves is not None else [self.samples or 1]
