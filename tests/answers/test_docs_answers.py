"""The examples, commands and programs of `docs/answers.md` are correct."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from a2r.answers import equivalent
from tests.support.preloaded_python import search_path

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "answers.md").read_text()
EXAMPLES = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \| (yes|no) \|", PAGE, re.MULTILINE)
COMMANDS = re.findall(r"^\$ (.+)$", PAGE, re.MULTILINE)
PROGRAM = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) > 25
    assert len(COMMANDS) >= 5


@pytest.mark.integration
@pytest.mark.parametrize(("first", "second", "same"), EXAMPLES)
def test_an_example_holds(first: str, second: str, same: str) -> None:
    assert equivalent(first, second) == (same == "yes")
    assert equivalent(second, first) == (same == "yes")


@pytest.mark.integration
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs(command: str) -> None:
    environment = {**os.environ, "PATH": search_path(os.environ["PATH"])}
    done = subprocess.run(
        command, shell=True, capture_output=True, text=True, env=environment, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.integration
def test_the_program_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.splitlines() == [r"\frac{1}{2}", "True", "[('1/2', 3), ('2', 1)]", "True"]
