"""The root of the config schema: pydantic models of the YAML files in `configs/`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from a2r.answers import Kind, Settings
from a2r.answers.sandbox.json_schema import check_schema
from a2r.config.default_prompts import PromptsConfig
from a2r.config.field_types import Count, JsonObject, Seconds, Section, reject_bool
from a2r.config.gate import GateConfig
from a2r.config.limits import BudgetConfig, DeadlineConfig, StopConfig
from a2r.config.roles import RoleConfig
from a2r.config.synthesis import CascadeConfig, ReferencesConfig, SynthesisConfig
from a2r.config.vllm import FREE_FORM
from a2r.result import Role


def response_format_schema(response_format: Mapping[str, Any]) -> Any:
    """The JSON schema of an OpenAI response format.

    Raises:
        ValueError: the format is neither `json_object` nor `json_schema`, or has no schema.
    """
    match response_format:
        case {"type": "json_object", **rest} if not rest:
            return {"type": "object"}
        case {"type": "json_schema", "json_schema": {"schema": schema}}:
            return schema
    raise ValueError(
        "expected {type: json_object} or {type: json_schema, json_schema: {schema: …}}"
    )


class AnswersConfig(Section):
    """How answers are extracted and compared; see `a2r.answers.Settings`.

    Attributes:
        last_number: the use of the last number of a text without an announced answer: `never` an
            answer, a `vote`, or a vote that also counts towards the quorum (`unanimity`).
        percent: read 50% as one half (`fraction`) or as 50 (`number`).
        units: compare a number without a unit with the only unit of the others (`shared`), or
            treat it as different (`strict`).
        digits: the significant digits that are compared; null: numbers are compared exactly.
        code: compare programs by their `syntax`, or run them with the tests of the question
            (`behaviour`).
        compare_seconds: the maximum CPU time of one symbolic comparison.
        cluster_seconds: the maximum time of one clustering.
        response_format: OpenAI's response format (`json_object` or `json_schema`) for answers of
            kind `json`. It is sent with the requests that write the result: those of the
            synthesizer, or of the explorer if nothing is synthesized. Other prompts state the
            schema. A reply that does not conform is not an answer.
        recover: request the answer again, in at most 64 tokens, for each finished sample of kind
            `math` or `choice` whose text has none.
    """

    last_number: Literal["never", "vote", "unanimity"] = "never"
    percent: Literal["fraction", "number"] = "fraction"
    units: Literal["strict", "shared"] = "shared"
    digits: Annotated[int, BeforeValidator(reject_bool), Field(ge=1, le=50)] | None = None
    code: Literal["syntax", "behaviour"] = "syntax"
    compare_seconds: Annotated[Seconds, Field(le=60)] = 0.5
    cluster_seconds: Annotated[Seconds, Field(le=600)] = 2.0
    response_format: JsonObject | None = None
    recover: bool = False

    @field_validator("response_format")
    @classmethod
    def _check_response_format(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is not None:
            check_schema(json.dumps(response_format_schema(value)))
        return value

    def format_for_kind(self, kind: str) -> dict[str, Any] | None:
        """The response format for answers of a kind; only kind `json` has one."""
        return self.response_format if kind == "json" else None

    @cached_property
    def json_schema(self) -> str | None:
        """The JSON schema as text, or `None`."""
        return (
            None
            if self.response_format is None
            else json.dumps(response_format_schema(self.response_format))
        )

    @cached_property
    def settings(self) -> Settings:
        """These values as the settings of `a2r.answers`."""
        values = self.model_dump(exclude={"response_format", "recover"})
        converted = {"last_number": self.last_number != "never", "json_schema": self.json_schema}
        return Settings(**(values | converted))


class EngineConfig(Section):
    """The embedded engine: parallel slots, context tokens per slot, threads (null: all cores)."""

    slots: Count = 8
    context: Count = 4096
    threads: Count | None = None


class Config(Section):
    """A complete config. `graph` is a name in graphs/, a path to a file, or `module:function`."""

    graph: Annotated[str, Field(min_length=1)] = "a2r"
    kind: Kind = "auto"
    explorer: RoleConfig
    synthesizer: RoleConfig | None = None
    gate: GateConfig = GateConfig()
    answers: AnswersConfig = AnswersConfig()
    stop: StopConfig = StopConfig()
    references: ReferencesConfig = ReferencesConfig()
    synthesis: SynthesisConfig = SynthesisConfig()
    cascade: CascadeConfig = CascadeConfig()
    deadline: DeadlineConfig = DeadlineConfig()
    budget: BudgetConfig = BudgetConfig()
    engine: EngineConfig = EngineConfig()
    prompts: PromptsConfig = PromptsConfig()

    @field_validator("synthesizer")
    @classmethod
    def _check_synthesizer_samples(
        cls, role: RoleConfig | None, info: ValidationInfo
    ) -> RoleConfig | None:
        if role is not None and role.waves is not None:
            raise ValueError("synthesizer.waves is not supported; use cascade.waves")
        return role

    @model_validator(mode="after")
    def _check_gate(self) -> Config:
        reasons = [self.gate.infeasible_reason(waves) for waves in self._voting_waves()]
        if all(reasons):
            raise ValueError(f"gate.rule {self.gate.rule} can never accept: {reasons[0]}")
        return self

    def _voting_waves(self) -> list[list[int]]:
        """The sets of waves whose samples vote together; a cascade can have two such sets."""
        explorer = self.explorer.wave_sizes
        # A custom graph may be a cascade, too.
        may_cascade = self.graph == "cascade" or not self.graph.isidentifier()
        if not may_cascade or self.synthesizer is None:
            return [explorer]
        synthesizer_waves = self.cascade.waves
        if self.cascade.votes == "all":
            return [[*explorer, *synthesizer_waves]]
        # A single sample of the bigger model has nothing to agree with.
        return [explorer, synthesizer_waves] if sum(synthesizer_waves) > 1 else [explorer]

    @model_validator(mode="after")
    def _check_prices(self) -> Config:
        roles = [role for role in (self.explorer, self.synthesizer) if role]
        known = all(None not in (role.price.input, role.price.output) for role in roles)
        for name, limits in (("question", self.budget.question), ("session", self.budget.session)):
            if limits.cost is not None and not known:
                raise ValueError(
                    f"budget.{name}.cost requires price.input and price.output of each role"
                )
        return self

    @model_validator(mode="after")
    def _check_currency(self) -> Config:
        if self.synthesizer and self.synthesizer.price.currency != self.explorer.price.currency:
            raise ValueError(
                "the prices of the two roles have different currencies; set the same price.currency"
            )
        return self

    @property
    def requested_kind(self) -> Kind:
        """The requested answer kind; a response format implies `json`."""
        formatted = self.answers.response_format is not None
        return "json" if self.kind == "auto" and formatted else self.kind

    @property
    def draws_one_sample(self) -> bool:
        """Whether the graph draws a single sample, whatever `explorer.samples` says."""
        return self.graph == "single"

    def role(self, name: Role) -> RoleConfig | None:
        """The section of a role, or `None` for a synthesizer that is not configured."""
        return self.explorer if name == "explorer" else self.synthesizer


def flatten(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten a nested mapping to dotted keys; free-form mappings are values."""
    flat: dict[str, Any] = {}
    for key, value in data.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping) and key not in FREE_FORM:
            flat.update(flatten(value, f"{path}."))
        else:
            flat[path] = value
    return flat
