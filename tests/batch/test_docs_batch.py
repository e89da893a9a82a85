"""The commands and programs of docs/batch.md run as written; its tables match the code."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from a2r.batch.questions import QuestionFields
from a2r.cli.app import app
from tests.support.fake_openai import FakeOpenAI, boxed
from tests.support.preloaded_python import python

pytestmark = pytest.mark.integration

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "batch.md").read_text()
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = re.findall(r"^\$ a2r (.*?)(?: +#.*)?$", PAGE, re.MULTILINE)
(CSV,) = re.findall(r"```csv\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def server() -> Iterator[FakeOpenAI]:
    models = ("qwen2.5-coder-1.5b-instruct",)
    with FakeOpenAI(lambda body, _: boxed("42"), models=models) as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, server: FakeOpenAI) -> Path:
    """A folder with the questions of the page, in which its commands ran."""
    path = tmp_path_factory.mktemp("batch")
    (path / "questions.csv").write_text(CSV)
    outputs = [run([python(), "-m", "a2r", *shlex.split(line)], path, server) for line in COMMANDS]
    assert len(outputs) == 5
    assert "method unanimous   2" in outputs[0]
    assert "0 questions of this command" in outputs[1]
    assert "2 questions; the vote of all samples: 0.500" in outputs[2]
    assert "explorer     4                 0" in outputs[3]
    assert "calls              0" in outputs[4]
    return path


def run(command: list[str], folder: Path, server: FakeOpenAI) -> str:
    url = json.dumps([server.url])
    environment = {
        **os.environ,
        "A2R_EXPLORER__ENDPOINTS": url,
        "A2R_SYNTHESIZER__ENDPOINTS": url,
        "A2R_STOP__LOSSLESS": "false",
    }
    completed = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    # The second answer of the page is not 42.
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "0 42 True unanimous 1.0"),
        (1, "What is 12 + 30? answered"),
        (2, "2 Counter({'unanimous': 2}) 4"),
    ],
)
def test_a_program_of_the_page_runs(
    folder: Path, server: FakeOpenAI, number: int, expected: str
) -> None:
    assert len(PROGRAMS) == 3
    output = run([sys.executable, "-c", PROGRAMS[number]], folder, server)
    assert expected in " ".join(output.split())


def test_the_page_names_every_option_and_column() -> None:
    command = typer.main.get_command(app).commands["batch"]  # type: ignore[attr-defined]
    for parameter in command.params:
        if parameter.param_type_name == "option" and parameter.name not in (
            "help",
            "log_format",
            "log_level",
        ):
            assert f"`{parameter.opts[0]}" in PAGE, parameter.opts
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", PAGE, re.MULTILINE))
    for name in QuestionFields.fields:
        assert rows[name] == ", ".join(f"`{each}`" for each in QuestionFields().names(name))
