"""The programs and snippets of docs/mcp.md run as written."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import StdioServerParameters

from tests.support.fake_openai import FakeOpenAI, ScriptedReply, boxed
from tests.support.mcp import HttpServer, command
from tests.support.mcp_client import VERSION, Client
from tests.support.preloaded_python import python, search_path

pytestmark = pytest.mark.integration

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "mcp.md").read_text()
OVER_STDIO, OVER_HTTP = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SNIPPETS = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
COMMANDS = re.findall(r"```bash\n(.*?)\n```", PAGE, re.DOTALL)
runs_programs = pytest.mark.skipif(VERSION == 1, reason="the programs use the SDK 2.x")
ADDRESS = "http://127.0.0.1:8000/mcp"


def script(body: dict[str, Any], _: int) -> ScriptedReply:
    return boxed("42")


@pytest.fixture
def variables(tmp_path: Path) -> Iterator[dict[str, str]]:
    with FakeOpenAI(script, models=("small", "qwen2.5-coder-1.5b-instruct")) as fake:
        yield {
            "A2R_EXPLORER__ENDPOINTS": json.dumps([fake.url]),
            "A2R_STOP__LOSSLESS": "false",
            "A2R_SYNTHESIZER__ENDPOINTS": json.dumps([fake.url]),
            "A2R_RUNS": str(tmp_path / "runs.sqlite"),
            "PATH": search_path(os.environ["PATH"]),
        }


def run_program(program: str, variables: dict[str, str]) -> list[str]:
    completed = subprocess.run(
        [python(), "-c", program],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    return completed.stdout.splitlines()


@runs_programs
def test_the_session_over_stdio(variables: dict[str, str]) -> None:
    output = run_program(OVER_STDIO, variables)
    assert output[0] == "0.00 of 5.0: sampling (up to 4)"
    assert "5.00 of 5.0: unanimous: answer 42" in output
    assert "42 unanimous 1.0" in output
    assert '  "question": "What is 12 + 30?",' in output
    assert output[-1] == "{'same': True, 'undecided': False}"


@runs_programs
def test_the_session_over_http(variables: dict[str, str]) -> None:
    assert ADDRESS in OVER_HTTP
    with HttpServer(command(["local"]), variables) as server:
        output = run_program(OVER_HTTP.replace(ADDRESS, server.url), variables)
    assert output == ["['solve', 'compare_answers', 'cluster_answers']", "42"]


async def test_the_snippets_for_clients(variables: dict[str, str]) -> None:
    stdio, http = (snippet["mcpServers"]["a2r"] for snippet in SNIPPETS)
    assert http == {"type": "http", "url": ADDRESS}
    stdio["env"] |= variables
    stdio["command"] = str(Path(python()).with_name(stdio["command"]))
    async with Client(StdioServerParameters(**stdio)) as client:
        solved = await client.call_tool("solve", {"question": "What is 12 + 30?"})
        (config,) = (await client.read_resource("a2r://configs/local")).contents
    assert solved.structured_content is not None
    assert solved.structured_content["answer"] == "42"
    assert json.loads(config.text)["explorer"]["samples"] == 4


def test_every_option_exists_and_is_documented(variables: dict[str, str]) -> None:
    completed = subprocess.run(
        [python(), "-m", "a2r", "mcp", "--help"],
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    there = set(re.findall(r"--[a-z][a-z-]+", completed.stdout)) - {"--help"}
    documented = set(re.findall(r"--[a-z][a-z-]+", PAGE.split("## Settings")[1].split("\n## ")[0]))
    assert documented == there
    for line in COMMANDS:
        assert set(re.findall(r"--[a-z][a-z-]+", line)) <= there
