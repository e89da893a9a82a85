"""Every command and program of the README runs as it is written.

`local` is kept off the 1.5B model by environment variables, which go over the config file.
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
from tests.support.fake_openai import FakeOpenAI, Say, boxed

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


CONSOLE = [line[2:] for block in blocks("console") for line in block.splitlines()]
PROGRAMS = [block for block in blocks("python") if "import" in block]


def script(body: dict[str, Any], _: int) -> Say:
    return boxed("42")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "graphs", folder / "graphs")
    recorded = Path("benchmarks", "local_pair", "data")
    shutil.copytree(ROOT / recorded, folder / recorded)
    return folder


@pytest.fixture
def environment(place: Path) -> Iterator[dict[str, str]]:
    with FakeOpenAI(script, models=("small", "big", "qwen2.5-coder-1.5b-instruct")) as server:
        endpoints = json.dumps([server.url])
        yield {
            **os.environ,
            "A2R_RUNS": str(place / "runs.sqlite"),
            "A2R_EXPLORER__ENDPOINTS": endpoints,
            "A2R_SYNTHESIZER__ENDPOINTS": endpoints,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }


@pytest.mark.parametrize("command", CONSOLE)
def test_a_command_runs(command: str, place: Path, environment: dict[str, str]) -> None:
    assert re.match(r"(?:[A-Z0-9_]+=\S+ |echo .* \| )?(a2r|cp) ", command)
    ended = subprocess.run(
        ["bash", "-c", command],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    if " ask " in command and "--json" not in command:
        assert "42" in ended.stdout


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_runs(program: str, place: Path, environment: dict[str, str]) -> None:
    ended = subprocess.run(
        [sys.executable, "-"],
        input=program,
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    about_answers = r"[('2\\sqrt{2}', 2), ('3', 1)]"
    assert (about_answers if "a2r.answers" in program else "42") in ended.stdout
    assert ended.stderr == ""


def test_the_yaml_is_a_config(tmp_path: Path) -> None:
    for number, text in enumerate(blocks("yaml")):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        assert load_config(path).config.synthesizer is not None


def test_the_node_of_the_readme_works_in_the_graph(
    place: Path, environment: dict[str, str]
) -> None:
    [node] = [block for block in blocks("python") if "import" not in block]
    source = (ROOT / "graphs" / "two_stage.py").read_text()
    edge = 'graph.add_edge("cluster", "gate")'
    edited = source.replace("\ndef build(", f"\n{node}\n\ndef build(", 1).replace(
        edge,
        'graph.add_node("veto", workflow.node(veto))\n'
        '    graph.add_edge("cluster", "veto")\n    graph.add_edge("veto", "gate")',
    )
    (place / "veto_flow.py").write_text(edited)
    command = [sys.executable, "-m", "a2r", "ask", "q", "--set", "graph=veto_flow.py"]
    ended = subprocess.run(
        command, cwd=place, env=environment, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "42\n"), ended.stderr


def test_the_vllm_commands_serve_what_the_config_asks_for() -> None:
    served = re.findall(r"^vllm serve (\S+) --port (\d+)", README, re.MULTILINE)
    config = load_config("a2r-efficient").config
    assert config.synthesizer is not None
    asked = [
        (role.model, role.endpoints[0].split(":")[2].split("/")[0])
        for role in (config.explorer, config.synthesizer)
    ]
    assert served == asked


def test_the_make_targets_exist() -> None:
    for target in re.findall(r"^make (\w+)", README, re.MULTILINE):
        subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True)


def test_every_config_is_told_of() -> None:
    for name in config_names():
        assert f"| `{name}` |" in README


def test_the_servers_of_the_readme_start(environment: dict[str, str]) -> None:
    serve, mcp = re.findall(r"^(a2r (?:serve|mcp) .*?)\s*#", README, re.MULTILINE)
    # Its page runs the very same command, and asks it.
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
    ended = subprocess.run(
        ["bash", "-c", mcp],
        input=json.dumps(hello) + "\n",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["result"]["serverInfo"]["name"]
