"""The gate of a config."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from a2r._internal.import_string import import_from_string
from a2r.config.gate import GateConfig
from a2r.errors import ConfigError
from a2r.gates.rules import Agreement, Beta, Share, Sprt, Unanimous, Window, always, never
from a2r.gates.votes import Gate


def build_gate(config: GateConfig, folder: Path | None = None) -> Gate:
    """Build the gate of a config.

    Args:
        config: the `gate` section.
        folder: the folder that the path of a custom rule is relative to.

    Raises:
        ConfigError: a custom rule cannot be imported, or does not accept its settings.
    """
    if config.is_custom:
        return _custom_gate(config, folder or Path.cwd())
    if config.rule in ("always", "never"):
        return always if config.rule == "always" else never
    return _agreement(config)


def _agreement(config: GateConfig) -> Agreement:
    shared: dict[str, Any] = {
        "quorum": config.quorum,
        "min_votes": config.min_votes,
        "abstentions": config.abstentions,
        "truncations": config.truncations,
    }
    match config.rule:
        case "share":
            return Share(threshold=config.effective_threshold, **shared)
        case "beta":
            return Beta(threshold=config.effective_threshold, **shared)
        case "sprt":
            return Sprt(**config.sprt.model_dump(), **shared)
        case "window":
            return Window(window=config.window, **shared)
        case "unanimous":
            return Unanimous(**shared)
        case rule:
            raise ValueError(f"gate rule {rule!r} of a2r.config.gate.RULES is not built here")


def _custom_gate(config: GateConfig, folder: Path) -> Gate:
    """Import a function of the votes, or a class and instantiate it with the settings."""
    rule = import_from_string(config.rule, folder, what="gate.rule")
    if inspect.isclass(rule):
        try:
            rule = rule(**config.settings)
        except Exception as error:
            raise ConfigError(
                f"gate.rule {config.rule!r} does not accept gate.settings: "
                f"{type(error).__name__}: {error}"
            ) from error
    elif config.settings:
        raise ConfigError(f"gate.rule {config.rule!r} is not a class: remove gate.settings")
    if not callable(rule):
        raise ConfigError(f"gate.rule {config.rule!r} is not callable: give a function or a class")
    gate: Gate = rule
    return gate
