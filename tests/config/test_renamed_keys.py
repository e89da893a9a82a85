"""Renamed config keys are unknown, and the error names the new key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from a2r.config import load_config
from a2r.config.known_keys import RENAMED_KEYS, known_keys
from a2r.errors import ConfigError

ROLE = {"model": "m", "endpoints": ["http://h/v1"]}
KEYS: list[tuple[str, str, Any]] = [
    ("explorer.serve.port", "explorer.vllm.port", 8001),
    ("explorer.serve.flags.max-num-seqs", "explorer.vllm.flags.max-num-seqs", 4),
    ("synthesizer.serve.ports", "synthesizer.vllm.ports", "8001-8002"),
    ("budget.run.tokens", "budget.session.tokens", 1000),
    ("budget.run.seconds", "budget.session.seconds", 60),
    ("deadline.silence", "deadline.idle", 30),
    ("gate.agree", "gate.min_votes", 2),
    ("gate.agree.math", "gate.min_votes.math", 2),
    ("gate.join", "gate.merge_waves", True),
    ("references.take", "references.include", "clusters"),
    ("references.each", "references.per_cluster", 1),
    ("references.pick", "references.choose", "first"),
    ("references.votes", "references.show_votes", True),
]


def message(error: pytest.ExceptionInfo[ConfigError], former: str) -> tuple[str, str]:
    """The unknown key and the suggested key of an error about a former key."""
    text = str(error.value)
    assert "\n" not in text
    unknown, suggested = text.split("unknown ")[1].split("; did you mean ")
    key, name = unknown.split("'")[1], suggested.strip("?").strip("'")
    # A mapping is read section by section: the error names the first unknown section.
    assert former == key or former.startswith(f"{key}.")
    return key, name


def expected(former: str, name: str, key: str) -> str:
    return name.removesuffix(former.removeprefix(key))


def nested(key: str, value: Any) -> Any:
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def test_every_renamed_key_is_covered_and_every_new_key_is_known() -> None:
    for former, name in RENAMED_KEYS.items():
        assert any(key == former or key.startswith(f"{former}.") for key, _, _ in KEYS)
        assert name in known_keys()
        assert former not in known_keys()


@pytest.mark.parametrize(("former", "name", "value"), KEYS)
def test_in_a_file(tmp_path: Path, former: str, name: str, value: Any) -> None:
    data = {"explorer": dict(ROLE), "synthesizer": dict(ROLE)}
    section, _, rest = former.partition(".")
    data[section] = {**data.get(section, {}), **nested(rest, value)}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(ConfigError, match=r"mine\.yaml: unknown key") as caught:
        load_config(path)
    key, suggested = message(caught, former)
    assert suggested == expected(former, name, key)


@pytest.mark.parametrize(("former", "name", "value"), KEYS)
def test_on_the_command_line(former: str, name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=r"--set: unknown key") as caught:
        load_config("tiny", assignments=[f"{former}={yaml.safe_dump(value).split()[0]}"])
    key, suggested = message(caught, former)
    assert suggested == expected(former, name, key)


@pytest.mark.parametrize("overrides", ["dotted", "nested"])
@pytest.mark.parametrize(("former", "name", "value"), KEYS)
def test_as_an_override(former: str, name: str, value: Any, overrides: str) -> None:
    values = {former: value} if overrides == "dotted" else nested(former, value)
    for load in (
        lambda: load_config("tiny", overrides=values),
        lambda: load_config("tiny").override(values),
    ):
        with pytest.raises(ConfigError, match=r"argument: unknown key") as caught:
            load()
        key, suggested = message(caught, former)
        assert suggested == expected(former, name, key)


@pytest.mark.parametrize(("former", "name", "value"), KEYS)
def test_as_an_environment_variable(
    monkeypatch: pytest.MonkeyPatch, former: str, name: str, value: Any
) -> None:
    variable = "A2R_" + former.upper().replace(".", "__")
    monkeypatch.setenv(variable, str(value))
    with pytest.raises(ConfigError) as caught:
        load_config("tiny")
    new = "A2R_" + name.upper().replace(".", "__")
    assert f"unknown variable {variable!r}; did you mean {new!r}?" in str(caught.value)
