"""docs/serving.md: the keys of the `vllm` section, the example, the commands, the numbers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from a2r.cli.app import app
from a2r.config import load_config
from a2r.config.vllm import VllmConfig
from a2r.serving.vllm.server_process import GRACE_SECONDS
from a2r.serving.vllm.server_spec import server_specs

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "serving.md").read_text()
COMMANDS = re.findall(r"^\$ a2r (.+)$", PAGE, re.MULTILINE)


def test_every_key_is_described() -> None:
    documented = set(
        re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.+?) \|", PAGE, re.MULTILINE)))
    )
    assert documented == set(VllmConfig.model_fields)


def test_the_example_is_a_config() -> None:
    [block] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    specs = server_specs(load_config(yaml.safe_load(block)))
    assert [(spec.port, spec.settings()["CUDA_VISIBLE_DEVICES"]) for spec in specs] == [
        (8001, "0"),
        (8002, "1"),
        (8011, "2,3"),
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs(command: str) -> None:
    result = CliRunner().invoke(app, command.split())
    assert result.exit_code == 0, result.output
    assert "Qwen/Qwen3-8B" in result.stdout


def test_the_numbers_match_the_code() -> None:
    assert f"{GRACE_SECONDS:.0f} seconds for each" in PAGE
    assert f"| {VllmConfig(port=1).startup:.0f} |" in PAGE
    assert f"| {VllmConfig(port=1).restarts} |" in PAGE
