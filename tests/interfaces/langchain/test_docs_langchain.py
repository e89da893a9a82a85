"""The programs of docs/langchain.md run as written, and its tables match the code."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from a2r.interfaces.chat import ChatOptions
from a2r.interfaces.langchain.chat_model import ChatA2R
from a2r.interfaces.langchain.chat_request import DETAILS
from tests.support.fake_openai import FakeOpenAI, ScriptedReply, boxed
from tests.support.preloaded_python import python

pytestmark = pytest.mark.integration

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "langchain.md").read_text()
PROGRAMS = re.findall(r"^## ([^\n]+)\n(?:(?!^## ).)*?```python\n(.*?)```", PAGE, re.DOTALL | re.M)
SOLUTION = "I think so.\n\\boxed{42}"
SHOWN = {
    "A tool in an agent": ["accept because", "It is 42."],
    "A chat model": [SOLUTION, "tokens\nunanimous 1.0", "votes: 4 for 42", "gate: synth"],
    "Structured output": ["42\ntotal=42 unanimous"],
    "A subgraph in a messages agent": [f"explore {SOLUTION}", f"finalize {SOLUTION}"],
    "A chat model in a graph": [SOLUTION],
}


def script(body: dict[str, Any], _: int) -> ScriptedReply:
    is_json_requested = '"total"' in json.dumps(body["messages"]).replace("\\", "")
    return ScriptedReply(text='{"total": 42}') if is_json_requested else boxed("42")


def test_the_page_has_a_program_for_each_use() -> None:
    assert [heading for heading, _ in PROGRAMS] == list(SHOWN)
    assert PAGE.count("```python") == len(PROGRAMS)


@pytest.mark.parametrize(("heading", "program"), PROGRAMS)
def test_a_program_runs(heading: str, program: str, tmp_path: Path) -> None:
    with FakeOpenAI(script, models=("small", "big", "qwen2.5-coder-1.5b-instruct")) as server:
        completed = subprocess.run(
            [python(), "-c", program],
            cwd=tmp_path,
            env={
                **os.environ,
                "A2R_EXPLORER__ENDPOINTS": json.dumps([server.url]),
                "A2R_STOP__LOSSLESS": "false",
                "A2R_SYNTHESIZER__ENDPOINTS": json.dumps([server.url]),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert completed.returncode == 0, completed.stderr
    assert completed.stderr == ""
    for shown in SHOWN[heading]:
        assert shown in completed.stdout


def test_every_option_and_detail_is_documented() -> None:
    names = set(ChatA2R.__annotations__) - {"solver", "model_config"}
    for name in names | {field.name for field in fields(ChatOptions)} | DETAILS:
        assert f"`{name}`" in PAGE
