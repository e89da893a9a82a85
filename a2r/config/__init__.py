"""Configs: what they may say, where they are found, and which layer wins."""

from a2r.config.load import LoadedConfig, config_names, default_config_name, load_config
from a2r.config.schema import EMBEDDED, Config, RoleConfig, RoleName

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
