"""What a config may say: the pydantic models behind the YAML files in `configs/`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from a2r.answers import Kind, Settings
from a2r.config.fields import Count, Seconds, Section, not_bool
from a2r.config.gate import GateConfig
from a2r.config.limits import BudgetConfig, DeadlineConfig, StopConfig
from a2r.config.prompts import PromptsConfig
from a2r.config.roles import RoleConfig, RoleName
from a2r.config.serve import FREE_FORM
from a2r.config.synthesis import CascadeConfig, ReferencesConfig, SynthesisConfig


class AnswersConfig(Section):
    """How answers are read and compared; see `a2r.answers.Settings`.

    `last_number` says what a bare last number is worth where a text announces no answer: `never`
    an answer, a `vote`, or a vote that also counts towards unanimity. `digits` null compares
    numbers exactly. The seconds bound one symbolic comparison, and one clustering.
    """

    last_number: Literal["never", "vote", "unanimity"] = "never"
    percent: Literal["fraction", "number"] = "fraction"
    units: Literal["strict", "shared"] = "shared"
    digits: Annotated[int, BeforeValidator(not_bool), Field(ge=1, le=50)] | None = None
    compare_seconds: Annotated[Seconds, Field(le=60)] = 0.5
    cluster_seconds: Annotated[Seconds, Field(le=600)] = 2.0

    @cached_property
    def settings(self) -> Settings:
        """The settings of `a2r.answers` that these values stand for."""
        values = self.model_dump()
        return Settings(**(values | {"last_number": self.last_number != "never"}))


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
    def _no_waves(cls, role: RoleConfig | None, info: ValidationInfo) -> RoleConfig | None:
        if role is not None and role.waves is not None:
            raise ValueError("the synthesizer knows samples, not waves (see cascade.waves)")
        return role

    @model_validator(mode="after")
    def _possible_gate(self) -> Config:
        draws = self.graph == "cascade" and self.synthesizer is not None
        bigger = self.cascade.waves if draws else []
        reason = self.gate.impossible([*self.explorer.wave_sizes, *bigger])
        if reason:
            raise ValueError(f"gate.rule {self.gate.rule} can never accept: {reason}")
        return self

    @model_validator(mode="after")
    def _known_prices(self) -> Config:
        roles = [role for role in (self.explorer, self.synthesizer) if role]
        known = all(None not in (role.price.input, role.price.output) for role in roles)
        for name, limits in (("question", self.budget.question), ("run", self.budget.run)):
            if limits.cost is not None and not known:
                raise ValueError(
                    f"budget.{name}.cost: a cost can be limited only if each role has its price"
                )
        return self

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
