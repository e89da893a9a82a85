"""The rules to replay: the product of gates and waves, over a config's other settings."""

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
VOTE_ONLY = "self_consistency"


def build_rules(
    loaded: LoadedConfig,
    gates: Sequence[str] = (),
    waves: Sequence[str] = (),
    complain: Callable[[str], None] = lambda _: None,
) -> list[Rule]:
    """Each of the gates over each of the waves, without those that could never accept.

    Args:
        loaded: the config, whose own gate and waves count where none are given.
        gates: names of rules, several with commas between them, `module:name` of rules of the
            user's, or `all` for all of a2r's.
        waves: sizes of waves, such as `2,2,4`.
        complain: is told each rule that is left out, with its reason.

    Raises:
        ConfigError: an unknown rule, no sizes of waves, or no rule that could accept.
    """
    config = loaded.config
    asked = [name for gate in gates for name in _names(gate)]
    configs = [_gate(config.gate, name) for name in dict.fromkeys(asked)] or [config.gate]
    sizes = list(dict.fromkeys(map(parse_sizes, waves))) or [tuple(config.explorer.wave_sizes)]
    built = [(gate, build_gate(gate, loaded.folder)) for gate in configs]
    found: list[Rule] = []
    for wave_sizes in sizes:
        for gate_config, gate in built:
            reason = gate_config.infeasible_reason(list(wave_sizes))
            if reason:
                told = ",".join(map(str, wave_sizes))
                complain(f"gate.rule {gate_config.rule} is left out for waves {told}: {reason}")
                continue
            rule = Rule(
                config=gate_config,
                gate=gate,
                waves=wave_sizes,
                synthesis=config.synthesizer is not None and config.graph != VOTE_ONLY,
                lossless=config.stop.lossless,
                guesses_agree=config.answers.last_number == "unanimity",
            )
            found.append(rule)
    if not found:
        raise ConfigError("no rule is left to replay: none could ever accept")
    return found


def parse_sizes(text: str) -> tuple[int, ...]:
    """The sizes of waves that a text such as `2,2,4` lists.

    Raises:
        ConfigError: it lists no sizes.
    """
    parts = [part.strip() for part in text.strip().removeprefix("[").removesuffix("]").split(",")]
    # isdecimal() alone would let through digits of other scripts, and numbers of any length.
    usable = all(part.isascii() and part.isdecimal() and len(part) < 10 for part in parts)
    sizes = tuple(int(part) for part in parts) if usable else ()
    if not sizes or not all(1 <= size <= MAX_SAMPLES for size in sizes):
        raise ConfigError(f"--waves {text!r}: write sizes from 1 to {MAX_SAMPLES}, as in 2,2,4")
    return sizes


def _names(gate: str) -> Sequence[str]:
    """The rules that one --gate names."""
    if gate == ALL:
        return RULES
    return [name.strip() for name in gate.split(",")]


def _gate(base: GateConfig, rule: str) -> GateConfig:
    """The gate of another rule with the settings of a config's gate."""
    try:
        return GateConfig.model_validate({**base.model_dump(by_alias=True), "rule": rule})
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise ConfigError(f"--gate {rule!r}: {reason}") from error
