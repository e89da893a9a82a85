"""Predefined scenarios."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.fault_server.scenario import Scenario, parse_scenario

HEALTHY = {"text": "The answer is \\boxed{42}.", "tokens": 8, "obey_max_tokens": True}
CRASH = {"status": 500, "error": "EngineCore encountered an issue."}
ERRORS = {"share": 0.10, **CRASH}
RESETS = {"share": 0.05, "reset": 3}
HANGS = {"share": 0.03, "hang": "before_headers"}
BURSTS = {"seconds": [0, 0.3], "period": 2, "status": 429, "error": "slow down", "retry_after": 1}
TRUNCATED = {"share": 0.05, "finish_reason": "length"}

PRESETS: dict[str, dict[str, Any]] = {
    "healthy": {},
    "errors": {"rules": [ERRORS]},
    "resets": {"rules": [RESETS]},
    "hangs": {"rules": [HANGS]},
    "bursts-of-429": {"rules": [BURSTS]},
    "truncated": {"rules": [TRUNCATED]},
    "garbled": {"rules": [{"share": 0.1, "truncate": "body"}, {"share": 0.1, "malformed": 2}]},
    "slow": {"default": {"first_token_delay": 0.5, "token_delay": 0.05}},
    "flaky": {"rules": [BURSTS, ERRORS, RESETS, HANGS]},
    "overloaded": {"default": {"status": 503, "error": "overloaded", "retry_after": 1}},
    "flapping": {"flapping": 4},
    "engine-dead": {"default": CRASH, "paths": {"/health": {"status": 503, "error": ""}}},
    "dead": {"down": [[0, None]]},
}


def preset_scenario(name: str, *, seed: int = 0) -> Scenario:
    """Return a predefined scenario."""
    return load_scenario({"preset": name, "seed": seed})


def load_scenario(mapping: Mapping[str, Any]) -> Scenario:
    """Return the scenario of a mapping, based on the preset that it may name."""
    content = dict(mapping)
    name = content.pop("preset", None)
    if name is None:
        return parse_scenario(content)
    if name not in PRESETS:
        raise ValueError(f"no preset {name!r}; known: {', '.join(PRESETS)}")
    base = PRESETS[name]
    default = {**HEALTHY, **base.get("default", {}), **content.pop("default", {})}
    return parse_scenario({**base, **content, "default": default})
