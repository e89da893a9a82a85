"""What a config may say: the pydantic models behind the YAML files in `configs/`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from a2r.answers import Kind, Settings
from a2r.answers.sandbox.json_schema import check_schema
from a2r.config.field_types import Count, JsonObject, Seconds, Section, reject_bool
from a2r.config.gate import GateConfig
from a2r.config.limits import BudgetConfig, DeadlineConfig, StopConfig
from a2r.config.prompt_templates import PromptsConfig
from a2r.config.roles import RoleConfig
from a2r.config.synthesis import CascadeConfig, ReferencesConfig, SynthesisConfig
from a2r.config.vllm import FREE_FORM
from a2r.result import Role


def json_schema_of_format(response_format: Mapping[str, Any]) -> Any:
    """The JSON schema that a response format asks for.

    Raises:
        ValueError: it is of another type, or holds no schema.
    """
    match response_format:
        case {"type": "json_object", **rest} if not rest:
            return {"type": "object"}
        case {"type": "json_schema", "json_schema": {"schema": schema}}:
            return schema
    raise ValueError(
        "neither {type: json_object} nor {type: json_schema, json_schema: {schema: …}}"
    )


class AnswersConfig(Section):
    """How answers are read and compared; see `a2r.answers.Settings`.

    `last_number` says what a bare last number is worth where a text announces no answer: `never`
    an answer, a `vote`, or a vote that also counts towards unanimity. `digits` null compares
    numbers exactly. The seconds bound one symbolic comparison, and one clustering.
    `response_format` is OpenAI's, of type json_object or json_schema, for answers of kind json:
    what writes the result (the synthesizer, or the explorer where nothing is synthesized) is held
    to it by the server, the others are told of the schema, and what does not conform to it is no
    answer.
    """

    last_number: Literal["never", "vote", "unanimity"] = "never"
    percent: Literal["fraction", "number"] = "fraction"
    units: Literal["strict", "shared"] = "shared"
    digits: Annotated[int, BeforeValidator(reject_bool), Field(ge=1, le=50)] | None = None
    compare_seconds: Annotated[Seconds, Field(le=60)] = 0.5
    cluster_seconds: Annotated[Seconds, Field(le=600)] = 2.0
    response_format: JsonObject | None = None

    @field_validator("response_format")
    @classmethod
    def _check_response_format(cls, wanted: dict[str, Any] | None) -> dict[str, Any] | None:
        if wanted is not None:
            check_schema(json.dumps(json_schema_of_format(wanted)))
        return wanted

    def format_for_kind(self, kind: str) -> dict[str, Any] | None:
        """The response format for answers of a kind; only JSON has one."""
        return self.response_format if kind == "json" else None

    @cached_property
    def json_schema(self) -> str | None:
        """The schema as JSON text, or `None`."""
        return (
            None
            if self.response_format is None
            else json.dumps(json_schema_of_format(self.response_format))
        )

    @cached_property
    def settings(self) -> Settings:
        """The settings of `a2r.answers` that these values stand for."""
        values = self.model_dump(exclude={"response_format"})
        own = {"last_number": self.last_number != "never", "json_schema": self.json_schema}
        return Settings(**(values | own))


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
            raise ValueError("the synthesizer knows samples, not waves (see cascade.waves)")
        return role

    @model_validator(mode="after")
    def _check_gate(self) -> Config:
        reasons = [self.gate.infeasible_reason(waves) for waves in self._check_cascade()]
        if all(reasons):
            raise ValueError(f"gate.rule {self.gate.rule} can never accept: {reasons[0]}")
        return self

    def _check_cascade(self) -> list[list[int]]:
        """The waves whose samples vote together: in a cascade there may be two such sets."""
        explorer = self.explorer.wave_sizes
        # A graph of the user's own may be a cascade, too.
        draws = self.graph == "cascade" or not self.graph.isidentifier()
        if not draws or self.synthesizer is None:
            return [explorer]
        bigger = self.cascade.waves
        if self.cascade.votes == "all":
            return [[*explorer, *bigger]]
        # One sample of the bigger model alone agrees with nobody.
        return [explorer, bigger] if sum(bigger) > 1 else [explorer]

    @model_validator(mode="after")
    def _check_prices(self) -> Config:
        roles = [role for role in (self.explorer, self.synthesizer) if role]
        known = all(None not in (role.price.input, role.price.output) for role in roles)
        for name, limits in (("question", self.budget.question), ("session", self.budget.session)):
            if limits.cost is not None and not known:
                raise ValueError(
                    f"budget.{name}.cost: a cost can be limited only if each role has its price"
                )
        return self

    @model_validator(mode="after")
    def _check_currency(self) -> Config:
        if self.synthesizer and self.synthesizer.price.currency != self.explorer.price.currency:
            raise ValueError("the prices of the two roles are in different currencies")
        return self

    @property
    def asked_kind(self) -> Kind:
        """The answer kind that is asked for: a response format asks for JSON."""
        formatted = self.answers.response_format is not None
        return "json" if self.kind == "auto" and formatted else self.kind

    def role(self, name: Role) -> RoleConfig | None:
        """The section of a role, or `None` where the config has no synthesizer."""
        return self.explorer if name == "explorer" else self.synthesizer


def flatten(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested mapping as one flat mapping of dotted keys; free-form mappings stay whole."""
    flat: dict[str, Any] = {}
    for key, value in data.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping) and key not in FREE_FORM:
            flat.update(flatten(value, f"{path}."))
        else:
            flat[path] = value
    return flat
