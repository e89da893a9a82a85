"""Scripts by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.fault_server.scenario import Scenario, scenario_from

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


def preset(name: str, *, seed: int = 0) -> Scenario:
    """The scenario of a name."""
    return scenario_of({"preset": name, "seed": seed})


def scenario_of(mapping: Mapping[str, Any]) -> Scenario:
    """A scenario from a file's content, over the preset that it may name."""
    content = dict(mapping)
    name = content.pop("preset", None)
    if name is None:
        return scenario_from(content)
    if name not in PRESETS:
        raise ValueError(f"no preset {name!r}; there are {', '.join(PRESETS)}")
    basis = PRESETS[name]
    default = {**HEALTHY, **basis.get("default", {}), **content.pop("default", {})}
    return scenario_from({**basis, **content, "default": default})
