"""The program of docs/library.md runs as written; its tables match the code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

import a2r
from a2r import errors
from a2r.events import AnyEvent
from a2r.result import Result
from tests.support.fake_openai import FakeOpenAI, ScriptedReply, boxed

pytestmark = pytest.mark.integration

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "library.md").read_text()


def script(body: dict[str, Any], _: int) -> ScriptedReply:
    return boxed("42")


PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def run(program: str, tmp_path: Path) -> list[str]:
    """The lines that a program of the page prints."""
    with FakeOpenAI(script, models=("small", "big", "qwen2.5-coder-1.5b-instruct")) as server:
        environment = {
            **os.environ,
            "A2R_EXPLORER__ENDPOINTS": json.dumps([server.url]),
            "A2R_EXPLORER__RETRIES": "0",
            "A2R_SYNTHESIZER__ENDPOINTS": json.dumps([server.url]),
            "A2R_STOP__LOSSLESS": "false",
        }
        completed = subprocess.run(
            [sys.executable, "-c", program],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert completed.returncode == 0, completed.stderr
    return completed.stdout.splitlines()


def test_the_program_runs(tmp_path: Path) -> None:
    lines = run(PROGRAMS[0], tmp_path)
    assert lines[:2] == ["42 unanimous 1.0", "synthesized 1"]
    assert lines[2:5] == ["42"] * 3
    assert any("accept because" in line for line in lines)
    assert "127.0.0.1:9" in lines[-1]


def test_the_program_with_chat_messages_runs(tmp_path: Path) -> None:
    assert len(PROGRAMS) == 2
    assert run(PROGRAMS[1], tmp_path) == ["42", "42", "['42', '42']"]


def test_every_event_field_and_error_is_described() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", PAGE, re.MULTILINE)
    assert rows == [
        (event.__name__, event.model_fields["type"].default) for event in get_args(AnyEvent)
    ]
    for name in set(Result.model_fields) - {"schema_version", "question"}:
        assert f"`{name}`" in PAGE
    for name in (name for name in vars(errors) if name.endswith("Error")):
        assert f"`{name}`" in PAGE or f"`a2r.errors.{name}`" in PAGE, name


def test_everything_public_has_a_docstring() -> None:
    for name in a2r.__all__:
        public = getattr(a2r, name)
        if isinstance(public, str):
            continue
        assert public.__doc__
        for attribute, member in vars(public).items() if isinstance(public, type) else ():
            if not attribute.startswith("_") and callable(member):
                assert member.__doc__, f"{name}.{attribute}"
