"""`a2r config`: list the shipped configs, or show the values of a config and their origins."""

from __future__ import annotations

import json
from importlib.resources import files

import typer

from a2r.cli.options import ConfigArgument, SetOption
from a2r.config import config_names, default_config_name, load_config
from a2r.config.loader import DEFAULT

config_app = typer.Typer(no_args_is_help=True, help="List and show configs.")


@config_app.command("list")
def list_configs() -> None:
    """List the shipped configs."""
    width = max(map(len, config_names()))
    for name in config_names():
        print(f"{name:<{width}}  {_description(name)}")


@config_app.command("show")
def show_config(
    config: ConfigArgument = None,
    assignments: SetOption = None,
) -> None:
    """Print the effective values of a config, each with its origin. Secrets are redacted."""
    loaded = load_config(config or default_config_name(), assignments=assignments or [])
    for key, value in loaded.redacted_values().items():
        origin = next(
            (loaded.origins[k] for k in _self_and_parents(key) if k in loaded.origins), DEFAULT
        )
        print(f"{key}: {json.dumps(value, ensure_ascii=False)}  # {origin}")


def _description(name: str) -> str:
    text = files("a2r").joinpath("configs", f"{name}.yaml").read_text("utf-8")
    return text.partition("\n")[0].removeprefix("#").strip()


def _self_and_parents(key: str) -> list[str]:
    parts = key.split(".")
    return [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
