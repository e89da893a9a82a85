"""Every command and program of the README runs as written.

Environment variables point `local` at a fake server instead of the 1.5B model.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from a2r.config import config_names, load_config
from tests.support.fake_openai import FakeOpenAI, ScriptedReply, boxed
from tests.support.preloaded_python import search_path

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


CONSOLE = [line[2:] for block in blocks("console") for line in block.splitlines()]
PROGRAMS = [block for block in blocks("python") if "import" in block]


def script(body: dict[str, Any], _: int) -> ScriptedReply:
    return boxed("42")


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    """A folder with the files of a new checkout."""
    folder = tmp_path / "readme"
    shutil.copytree(ROOT / "graphs", folder / "graphs")
    recorded = Path("benchmarks", "local_pair", "data")
    shutil.copytree(ROOT / recorded, folder / recorded)
    return folder


@pytest.fixture
def environment(workdir: Path) -> Iterator[dict[str, str]]:
    with FakeOpenAI(script, models=("small", "big", "qwen2.5-coder-1.5b-instruct")) as server:
        endpoints = json.dumps([server.url])
        yield {
            **os.environ,
            "A2R_RUNS": str(workdir / "runs.sqlite"),
            "A2R_EXPLORER__ENDPOINTS": endpoints,
            "A2R_STOP__LOSSLESS": "false",
            "A2R_SYNTHESIZER__ENDPOINTS": endpoints,
            "PATH": search_path(os.environ["PATH"]),
        }


def prerequisites(command: str) -> list[str]:
    """The earlier commands that create the file or the stored run that a command needs."""
    makers = {
        "my_graph.py": "cp ",
        "my_flow.py": "cp ",
        "show homework": "a2r ask .* --thread homework",
        "batch questions.csv": "printf ",
        "replay bank": "printf |a2r batch ",
    }
    return [
        earlier
        for earlier in CONSOLE[: CONSOLE.index(command)]
        if any(name in command and re.match(maker, earlier) for name, maker in makers.items())
    ]


def output(command: str, workdir: Path, environment: dict[str, str]) -> str:
    """The output of a command."""
    completed = subprocess.run(
        ["bash", "-c", command],
        cwd=workdir,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


@pytest.mark.parametrize("command", CONSOLE)
def test_a_command_runs(command: str, workdir: Path, environment: dict[str, str]) -> None:
    assert re.match(r"(?:[A-Z0-9_]+=\S+ |echo .* \| )?(a2r|cp|printf) ", command)
    for earlier in prerequisites(command):
        output(earlier, workdir, environment)
    printed = output(command, workdir, environment)
    if " ask " in command and "--json" not in command:
        assert "42" in printed


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_runs(program: str, workdir: Path, environment: dict[str, str]) -> None:
    completed = subprocess.run(
        [sys.executable, "-"],
        input=program,
        cwd=workdir,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert completed.returncode == 0, completed.stderr
    clusters = r"[('2\\sqrt{2}', 2), ('3', 1)]"
    assert (clusters if "a2r.answers" in program else "42") in completed.stdout
    assert completed.stderr == ""


def test_the_yaml_is_a_config(tmp_path: Path) -> None:
    for number, text in enumerate(blocks("yaml")):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        assert load_config(path).config.synthesizer is not None


def test_the_node_of_the_readme_works_in_the_graph(
    workdir: Path, environment: dict[str, str]
) -> None:
    [node] = [block for block in blocks("python") if "import" not in block]
    [lines] = [block for block in blocks("text") if "add_node" in block]
    source = (ROOT / "graphs" / "two_stage.py").read_text()
    edge = '    graph.add_edge("cluster", "gate")\n'
    assert source.count(edge) == 1
    edited = source.replace("\ndef build(", f"\n{node}\n\ndef build(", 1).replace(edge, lines)
    (workdir / "veto_graph.py").write_text(edited)
    command = [sys.executable, "-m", "a2r", "ask", "q", "--set", "graph=veto_graph.py"]
    completed = subprocess.run(
        command, cwd=workdir, env=environment, capture_output=True, text=True, check=False
    )
    assert (completed.returncode, completed.stdout) == (0, "42\n"), completed.stderr


def test_the_vllm_commands_match_the_config() -> None:
    served = re.findall(r"^vllm serve (\S+) --port (\d+)", README, re.MULTILINE)
    config = load_config("a2r-efficient").config
    assert config.synthesizer is not None
    expected = [
        (role.model, role.endpoints[0].split(":")[2].split("/")[0])
        for role in (config.explorer, config.synthesizer)
    ]
    assert served == expected


def test_the_make_targets_exist() -> None:
    for target in re.findall(r"^make (\w+)", README, re.MULTILINE):
        subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True)


def test_every_config_is_listed() -> None:
    for name in config_names():
        assert f"| `{name}` |" in README


def test_the_servers_start(environment: dict[str, str]) -> None:
    serve, mcp = re.findall(r"^(a2r (?:serve|mcp) .*?)\s*#", README, re.MULTILINE)
    # docs/server.md runs the same command and sends it a request.
    assert f"$ {serve}\n" in (ROOT / "docs" / "server.md").read_text()
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
    with subprocess.Popen(
        ["bash", "-c", mcp],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps(hello) + "\n")
        server.stdin.flush()
        reply = json.loads(server.stdout.readline())
        server.stdin.close()
        assert server.wait(120) == 0
    assert reply["result"]["serverInfo"]["name"]
