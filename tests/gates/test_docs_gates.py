"""docs/gates.md agrees with the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import yaml

from a2r.config import Config
from a2r.config.gate import RULES, THRESHOLDS, GateConfig
from a2r.config.limits import LimitsConfig, StopConfig
from a2r.gates import Plan, Votes, build_gate, decide
from a2r.result import Cluster, ErrorType

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "gates.md").read_text()
ROLE = {"model": "m", "endpoints": ["http://h/v1"]}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def table(heading: str) -> list[list[str]]:
    [rows] = re.findall(rf"^\| {heading} \|.*\n\|[ -|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows.splitlines()]


def test_every_rule_is_documented_with_its_default() -> None:
    rows = table("rule")
    assert [row[0].strip("`") for row in rows] == list(RULES)
    for row in rows:
        rule = row[0].strip("`")
        if rule in THRESHOLDS:
            assert f"`threshold`, {THRESHOLDS[rule]}" in row[2]
        if rule == "window":
            assert f"`window`, {GateConfig().window}" in row[2]


def test_every_straggler_policy_is_documented() -> None:
    policies = [row[0].strip("`") for row in table("straggler")]
    assert policies == list(get_args(StopConfig.model_fields["straggler"].annotation))
    assert f"`factor` ({StopConfig().factor})" in PAGE
    assert f"a `share` ({StopConfig().share})" in PAGE
    assert {"stopped", "straggler"} <= set(get_args(ErrorType))


def test_the_yaml_is_a_config() -> None:
    first, second = (yaml.safe_load(block) for block in blocks("yaml"))
    waves = first.pop("explorer")
    config_values: dict[str, Any] = {
        "explorer": ROLE | waves,
        "synthesizer": ROLE,
        **first,
        **second,
    }
    config = Config.model_validate(config_values)
    assert config.gate == GateConfig(merge_waves=True)
    assert config.stop == StopConfig()
    assert set(second["budget"]["question"]) == set(LimitsConfig.model_fields)


def test_the_rule_of_the_page_works(tmp_path: Path) -> None:
    [program] = blocks("python")
    (tmp_path / "my_gates.py").write_text(program)
    gate_config = GateConfig(rule="my_gates.py:AtLeast", settings={"votes": 4})
    gate = build_gate(gate_config, tmp_path)

    def decision(*sizes: int) -> str:
        groups = [Cluster(answer=str(n), votes=size, samples=[n]) for n, size in enumerate(sizes)]
        answered = sum(sizes)
        votes = Votes(started=8, finished=answered, answered=answered, clusters=groups)
        return decide(gate, gate_config.rule, votes, Plan(left=[2])).decision

    assert [decision(4), decision(2, 2), decision(3, 1)] == ["accept", "synthesize", "sample_more"]
