"""The rules to replay: all combinations of gates and waves, with a config's other settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydantic import ValidationError

from a2r.config import LoadedConfig
from a2r.config.field_types import MAX_SAMPLES
from a2r.config.gate import RULES, GateConfig
from a2r.errors import ConfigError
from a2r.evaluation.replay.simulate import Rule
from a2r.gates import build_gate

ALL = "all"
VOTE_ONLY = frozenset({"self_consistency", "single"})


def build_rules(
    loaded: LoadedConfig,
    gates: Sequence[str] = (),
    waves: Sequence[str] = (),
    on_warning: Callable[[str], None] = lambda _: None,
) -> list[Rule]:
    """Return the combinations of gates and waves, without those that can never accept.

    Args:
        loaded: the config; its gate and waves are the defaults.
        gates: names of rules, separated by commas; `module:name` for a custom rule, `all` for all
            built-in ones.
        waves: wave sizes, such as `2,2,4`.
        on_warning: called with a message for each skipped combination.

    Raises:
        ConfigError: a rule is unknown, wave sizes are invalid, or no rule can accept.
    """
    config = loaded.config
    names = [name for gate in gates for name in _rule_names(gate)]
    configs = [_with_rule(config.gate, name) for name in dict.fromkeys(names)] or [config.gate]
    default = (1,) if config.draws_one_sample else tuple(config.explorer.wave_sizes)
    sizes = list(dict.fromkeys(map(parse_sizes, waves))) or [default]
    built = [(gate, build_gate(gate, loaded.folder)) for gate in configs]
    rules: list[Rule] = []
    for wave_sizes in sizes:
        for gate_config, gate in built:
            reason = gate_config.infeasible_reason(list(wave_sizes))
            if reason:
                sizes_text = ",".join(map(str, wave_sizes))
                on_warning(f"gate.rule {gate_config.rule} skipped for waves {sizes_text}: {reason}")
                continue
            rule = Rule(
                config=gate_config,
                gate=gate,
                waves=wave_sizes,
                synthesis=config.synthesizer is not None and config.graph not in VOTE_ONLY,
                lossless=config.stop.lossless,
                guesses_agree=config.answers.last_number == "unanimity",
            )
            rules.append(rule)
    if not rules:
        raise ConfigError("no rule to replay: none of them can accept within these waves")
    return rules


def parse_sizes(text: str) -> tuple[int, ...]:
    """Parse wave sizes such as `2,2,4`.

    Raises:
        ConfigError: the text is not a list of sizes.
    """
    parts = [part.strip() for part in text.strip().removeprefix("[").removesuffix("]").split(",")]
    # isdecimal() accepts digits of other scripts; int() rejects numbers of thousands of digits.
    valid = all(part.isascii() and part.isdecimal() and len(part) < 10 for part in parts)
    sizes = tuple(int(part) for part in parts) if valid else ()
    if not sizes or not all(1 <= size <= MAX_SAMPLES for size in sizes):
        raise ConfigError(f"--waves {text!r}: expected sizes from 1 to {MAX_SAMPLES}, as in 2,2,4")
    return sizes


def _rule_names(gate: str) -> Sequence[str]:
    """Return the rule names of one --gate."""
    if gate == ALL:
        return RULES
    return [name.strip() for name in gate.split(",")]


def _with_rule(base: GateConfig, rule: str) -> GateConfig:
    """Return the gate config with another rule."""
    try:
        return GateConfig.model_validate({**base.model_dump(by_alias=True), "rule": rule})
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise ConfigError(f"--gate {rule!r}: {reason}") from error
