"""Configs: what they may say, where they are found, and which layer wins."""

from a2r.config.field_types import EMBEDDED
from a2r.config.loader import LoadedConfig, config_names, default_config_name, load_config
from a2r.config.roles import RoleConfig
from a2r.config.schema import Config
from a2r.result import Role

__all__ = [
    "EMBEDDED",
    "Config",
    "LoadedConfig",
    "Role",
    "RoleConfig",
    "config_names",
    "default_config_name",
    "load_config",
]
