"""`langgraph dev` serves the graphs that langgraph.json names, without any account."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from langgraph_sdk import get_sync_client

from tests.support.fake_openai import FakeOpenAI, boxed, config_for, replies

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def upstream() -> Iterator[FakeOpenAI]:
    with FakeOpenAI(replies(small=boxed("4"))) as server:
        yield server


@pytest.fixture
def url(upstream: FakeOpenAI, tmp_path: Path) -> Iterator[str]:
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config_for(upstream.url)))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "langgraph_cli", "dev", "--no-browser", "--no-reload"),
            *("--config", str(ROOT / "langgraph.json"), "--port", str(port)),
        ],
        cwd=tmp_path,
        env={**os.environ, "A2R_CONFIG": str(tmp_path / "c.yaml"), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if "Application started up" in line:
            break
    else:
        pytest.fail("langgraph dev ended: " + "".join(said))
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.communicate(timeout=30)


def test_the_graphs_run_on_a_langgraph_server(url: str, upstream: FakeOpenAI) -> None:
    client = get_sync_client(url=url)
    names = {assistant["graph_id"] for assistant in client.assistants.search()}
    assert names == {"a2r", "cascade", "rounds", "select", "self_consistency"}
    for name in sorted(names):
        output = client.runs.wait(None, name, input={"question": "2+2?"})
        assert output["answer"] == "4"
        assert output["result"]["method"] == "unanimous"
    thread = client.threads.create()["thread_id"]
    context = {"a2r": {"explorer.samples": 2}}
    output = client.runs.wait(thread, "a2r", input={"question": "2+2?"}, context=context)
    assert len(output["result"]["samples"]) == 2
    output = client.runs.wait(thread, "a2r", input={"question": "3+1?"})
    assert len(output["result"]["samples"]) == 4
