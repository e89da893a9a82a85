"""Every command and program of docs/persistence.md runs as written, in order."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_openai import FakeOpenAI, ScriptedReply, boxed
from tests.support.preloaded_python import python, search_path

pytestmark = pytest.mark.integration

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "persistence.md").read_text()
CONSOLE = [
    line.removeprefix("$ ")
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def script(body: dict[str, Any], _: int) -> ScriptedReply:
    return boxed("42")


def test_the_commands_and_programs_run(tmp_path: Path) -> None:
    assert len(CONSOLE) >= 8
    with FakeOpenAI(script, models=("small", "big", "qwen2.5-coder-1.5b-instruct")) as server:
        environment = {
            **os.environ,
            "A2R_EXPLORER__ENDPOINTS": json.dumps([server.url]),
            "A2R_STOP__LOSSLESS": "false",
            "A2R_SYNTHESIZER__ENDPOINTS": json.dumps([server.url]),
            "A2R_RUNS": str(tmp_path / "stored.sqlite"),
            "PATH": search_path(os.environ["PATH"]),
        }
        commands = [["bash", "-c", command] for command in CONSOLE]
        commands += [[python(), "-c", program] for program in PROGRAMS]
        for command in commands:
            completed = subprocess.run(
                command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
            )
            assert completed.returncode == 0, (command, completed.stderr)
            if " ask " in command[-1]:
                assert completed.stdout == "42\n", command
        # Two questions and the program's: nothing was called a second time. The last program has
        # four samples and a synthesis.
        requests = server.request_log.requests
        assert len(requests) == 3 * 2 + 5
        assert "hours and minutes" in str(requests[-1]["messages"])
    assert (tmp_path / "runs.sqlite").exists()
