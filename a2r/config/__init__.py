"""Configs: the schema, the loader, and the precedence of files, environment and arguments."""

from a2r.config.default_prompts import ExplorerPrompts, PromptsConfig
from a2r.config.field_types import EMBEDDED
from a2r.config.gate import GateConfig, MinVotesConfig, SprtConfig
from a2r.config.limits import BudgetConfig, DeadlineConfig, LimitsConfig, StopConfig
from a2r.config.loader import (
    LoadedConfig,
    config_names,
    default_config_name,
    load_config,
)
from a2r.config.roles import PriceConfig, RoleConfig, SamplingConfig
from a2r.config.schema import AnswersConfig, Config, EngineConfig
from a2r.config.synthesis import CascadeConfig, ReferencesConfig, SynthesisConfig
from a2r.config.vllm import VllmConfig

__all__ = [
    "EMBEDDED",
    "AnswersConfig",
    "BudgetConfig",
    "CascadeConfig",
    "Config",
    "DeadlineConfig",
    "EngineConfig",
    "ExplorerPrompts",
    "GateConfig",
    "LimitsConfig",
    "LoadedConfig",
    "MinVotesConfig",
    "PriceConfig",
    "PromptsConfig",
    "ReferencesConfig",
    "RoleConfig",
    "SamplingConfig",
    "SprtConfig",
    "StopConfig",
    "SynthesisConfig",
    "VllmConfig",
    "config_names",
    "default_config_name",
    "load_config",
]
