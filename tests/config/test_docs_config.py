"""docs/config.md lists every key of the schema, with its default and its choices."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

from a2r.cli.app import app
from a2r.config import Config, config_names
from a2r.config.default_prompts import PromptsConfig
from a2r.config.gate import RULES, THRESHOLDS
from a2r.config.precedence import ENV_SPECIAL
from a2r.config.roles import RoleConfig
from a2r.config.vllm import FREE_FORM, VllmConfig
from a2r.workflow.graph_loader import graph_names

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "config.md").read_text()
ELSEWHERE = (VllmConfig,)
REQUIRED = ("explorer.model", "explorer.endpoints")
MINIMAL = {"explorer": {"model": "m", "endpoints": ["embedded"]}}
LISTED = r"^\| `([a-z_0-9.]+)` \| (.+?) \| (.+) \|$"


def rows() -> dict[str, tuple[str, str]]:
    """The rows of all tables of keys: default and meaning by key."""
    tables = re.findall(r"^\| key \|.*\n\|[ -|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    listed = [row for table in tables for row in re.findall(LISTED, table, re.MULTILINE)]
    assert len(listed) == sum(table.count("\n") for table in tables), "a row without three cells"
    assert len({key for key, _, _ in listed}) == len(listed), "a key is listed twice"
    return {key: (default, meaning) for key, default, meaning in listed}


def fields(model: type[BaseModel], prefix: str = "") -> dict[str, Any]:
    """The annotation of every key that the page must list; sections are listed by their keys."""
    annotations: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        section = next((part for part in parts(field.annotation) if is_section(part)), None)
        if section is None or section in ELSEWHERE or key == "synthesizer":
            annotations[key] = field.annotation
        else:
            annotations.update(fields(section, f"{key}."))
    return annotations


def parts(annotation: Any) -> list[Any]:
    """An annotation and everything inside it."""
    inside = [] if get_origin(annotation) is Literal else get_args(annotation)
    return [annotation, *(part for argument in inside for part in parts(argument))]


def is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def choices(annotation: Any) -> list[str]:
    """The allowed words of a value."""
    literals = [part for part in parts(annotation) if get_origin(part) is Literal]
    return [word for literal in literals for word in get_args(literal)]


def get_value(section: Any, key: str) -> Any:
    """The value at a dotted key of dumped values; `None` inside a section that is null."""
    for part in key.split("."):
        section = None if section is None else section[part]
    return section


def written(value: Any) -> str:
    """A default as the page writes it: JSON, whole numbers without a point."""
    is_whole = isinstance(value, float) and value.is_integer()
    return f"`{json.dumps(int(value) if is_whole else value)}`"


KEYS = fields(Config)
DEFAULTS = Config.model_validate(MINIMAL).model_dump(mode="json", by_alias=True)
PROMPTS = [key for key in KEYS if key.startswith("prompts.") and get_value(DEFAULTS, key)]


def test_the_page_lists_exactly_the_keys_of_the_schema_in_their_order() -> None:
    listed = list(rows())
    assert sorted(listed) == sorted(KEYS)
    for section in {key.partition(".")[0] for key in KEYS}:
        expected = [key for key in KEYS if key.partition(".")[0] == section]
        assert [key for key in listed if key.partition(".")[0] == section] == expected


@pytest.mark.parametrize("key", KEYS)
def test_the_defaults_match_the_schema(key: str) -> None:
    default, _ = rows()[key]
    if key in REQUIRED:
        field = RoleConfig.model_fields[key.removeprefix("explorer.")]
        assert (default, field.is_required()) == ("required", True)
    elif key in PROMPTS:
        assert default == "below"
    else:
        assert default == written(get_value(DEFAULTS, key))


@pytest.mark.parametrize("key", [key for key in KEYS if choices(KEYS[key])])
def test_every_choice_is_described(key: str) -> None:
    default, meaning = rows()[key]
    words = re.findall(r"`([a-z_]+)`", meaning)
    assert set(choices(KEYS[key])) <= {*words, default.strip('`"')}, key


def test_the_meaning_of_null_is_described() -> None:
    for key, (default, meaning) in rows().items():
        budget = key.startswith("budget.")
        assert budget or default != "`null`" or re.search(r"\bnull\b", meaning), key
    assert "null: no limit, as in all budgets" in rows()["budget.question.tokens"][1]


def test_rules_thresholds_graphs_and_free_form_keys_are_described() -> None:
    documented = rows()
    assert tuple(re.findall(r"`(\w+)`", documented["gate.rule"][1])) == RULES
    for rule, threshold in THRESHOLDS.items():
        assert f"rule `{rule}`; null: {threshold}" in documented["gate.threshold"][1]
    [graphs] = re.findall(r"a shipped graph \((.+?)\)", documented["graph"][1])
    assert sorted(re.findall(r"`(\w+)`", graphs)) == graph_names()
    [free] = re.findall(r"keys inside a free-form value \((.+?)\)", PAGE)
    assert {name.rpartition(".")[2] for name in re.findall(r"`([\w.]+)`", free)} == FREE_FORM


def test_the_prompts_match_the_schema() -> None:
    shown = dict(re.findall(r"^`(prompts\.[\w.]+)`:\n\n```text\n(.*?)\n```$", PAGE, re.M | re.S))
    dumped = {"prompts": PromptsConfig().model_dump(by_alias=True)}
    assert shown == {key: get_value(dumped, key) for key in PROMPTS}


def test_the_advanced_keys_exist() -> None:
    [table] = re.findall(r"^\| keys \| effective \|\n\|[ -|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    named = [
        key
        for row in table.splitlines()
        for key in re.findall(r"`([\w.]+)`", row[: row.index("|", 1)])
    ]
    assert len(named) > 20
    for key in named:
        explorer_key = key.replace("synthesizer.", "explorer.", 1)
        assert any(f"{known}.".startswith(f"{explorer_key}.") for known in KEYS), key


def test_the_session_matches_its_output() -> None:
    commands = re.findall(r"^\$ (.+)$", PAGE, re.MULTILINE)
    outputs = [run(command) for command in commands]
    assert all(name in outputs[0] for name in config_names())
    [expected] = re.findall(r"^```text\n(explorer\.samples.*?)\n```$", PAGE, re.M | re.S)
    assert set(expected.splitlines()) <= set(outputs[1].splitlines())


def run(command: str) -> str:
    """The output of a command of the page."""
    words = shlex.split(command)
    at = words.index("a2r")
    environment = dict(word.split("=", 1) for word in words[:at])
    result = CliRunner().invoke(app, words[at + 1 :], env=environment)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_section_replaces_from_the_environment_and_merges_from_an_argument() -> None:
    section = "{seed: 3}"
    replaced = run(f"A2R_EXPLORER__SAMPLING='{section}' a2r config show tiny")
    added = run(f"a2r config show tiny --set explorer.sampling='{section}'")
    assert "explorer.sampling.temperature: null" in replaced
    assert "explorer.sampling.temperature: 0.6" in added


def test_other_environment_variables_are_described() -> None:
    [line] = re.findall(r"(\w+) variables are not keys: (.+)$", PAGE, re.MULTILINE)
    assert line[0] == "Four"
    assert set(re.findall(r"A2R_[A-Z]+", line[1])) == ENV_SPECIAL
