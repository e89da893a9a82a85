"""Configs: what they may say, where they are found, and which layer wins."""

from a2r.config.field_types import EMBEDDED
from a2r.config.loader import LoadedConfig, config_names, default_config_name, load_config
from a2r.config.roles import RoleConfig, RoleName
from a2r.config.schema import Config

__all__ = [
    "EMBEDDED",
    "Config",
    "LoadedConfig",
    "RoleConfig",
    "RoleName",
    "config_names",
    "default_config_name",
    "load_config",
]
