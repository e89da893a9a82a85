"""`a2r mcp` over stdio as a process: shutdown, and nothing but the protocol on stdout."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.fake_openai import ScriptedReply, boxed, config_for, fake_openai, replies
from tests.support.mcp import ROOT, SECONDS, command, written
from tests.support.preloaded_python import python

pytestmark = pytest.mark.integration

QUESTION = {"question": "What is 2 + 2?"}
ENDS = {"eof": None, "ctrl-c": signal.SIGINT, "sigterm": signal.SIGTERM}
CHATTY = """
from langgraph.graph import END, START, StateGraph

from a2r.graphs import two_stage
from a2r.workflow.state import Context, Input, Output, State


def build(workflow):
    graph = two_stage.build(workflow)

    async def chatter(state, runtime):
        print("a line for debugging")
        print("and a rest", end="")
        return {}

    graph.add_node("chatter", workflow.node(chatter))
    graph.add_edge("chatter", "prepare")
    graph.edges.discard((START, "prepare"))
    graph.add_edge(START, "chatter")
    return graph
"""


class Stdio:
    """A server process over stdio, with a client that reads and writes single lines."""

    def __init__(self, *configs: Path | str, interpreter: str = "") -> None:
        self.process = subprocess.Popen(
            [interpreter or python(), *command(configs)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        self.stderr_lines: list[str] = []
        self._reader = threading.Thread(target=self._drain)
        self._reader.start()
        self.lines: list[dict[str, Any]] = []
        client = {"name": "test", "version": "1"}
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}
        self.send_message("initialize", hello, number=0)
        self.until(0)
        self.send_message("notifications/initialized", {})

    def _drain(self) -> None:
        assert self.process.stderr is not None
        self.stderr_lines.extend(self.process.stderr)

    def send_message(
        self, method: str, params: dict[str, Any], *, number: int | None = None
    ) -> None:
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        if number is not None:
            message["id"] = number
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def solve(self, number: int) -> None:
        self.send_message("tools/call", {"name": "solve", "arguments": QUESTION}, number=number)

    def until(self, number: int) -> dict[str, Any]:
        """Return the reply to a request; check that every line before it is JSON."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(json.loads(line))
            if self.lines[-1].get("id") == number:
                return self.lines[-1]
        pytest.fail(f"the server exited: {self.stderr_lines}")

    def end(self, number: signal.Signals | None) -> int:
        """Stop the server with a signal or by closing stdin; return its exit code."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        if number is None:
            self.process.stdin.close()
        else:
            self.process.send_signal(number)
        self.lines += [json.loads(line) for line in self.process.stdout]
        code = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return code


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_every_kind_of_shutdown_cancels_running_calls(
    end: signal.Signals | None, tmp_path: Path
) -> None:
    with fake_openai(lambda *_: ScriptedReply(hang=True)) as fake:
        server = Stdio(written(tmp_path, "mine", config_for(fake.url)))
        server.solve(1)
        await fake.request_log.until(lambda log: len(log.requests) == 4)
        assert server.end(end) == 0
        await fake.request_log.until(lambda log: log.cancelled == 4)
    # The client of the SDK 1.x fails on a message after the end of stdin.
    assert [line.get("id") for line in server.lines] == [0]
    assert not [line for line in server.stderr_lines if "Traceback" in line]


@pytest.mark.parametrize("end", [None, signal.SIGTERM], ids=["eof", "sigterm"])
def test_a_graph_that_prints_does_not_disturb_the_protocol(
    end: signal.Signals | None, tmp_path: Path
) -> None:
    (tmp_path / "chatty.py").write_text(CHATTY)
    with fake_openai(replies(small=boxed("4"))) as fake:
        config = config_for(fake.url) | {"graph": str(tmp_path / "chatty.py")}
        server = Stdio(written(tmp_path, "mine", config))
        server.solve(1)
        reply = server.until(1)
        assert server.end(end) == 0
    assert reply["result"]["structuredContent"]["answer"] == "4"
    assert [line.get("id") for line in server.lines] == [0, 1]
    output = "".join(server.stderr_lines)
    assert "a line for debugging\n" in output
    assert "and a rest" in output


def test_an_internal_error_is_only_logged(tmp_path: Path) -> None:
    (tmp_path / "chatty.py").write_text(CHATTY.replace("return {}", 'raise OSError("private")'))
    with fake_openai(replies(small=boxed("4"))) as fake:
        config = config_for(fake.url) | {"graph": str(tmp_path / "chatty.py")}
        server = Stdio(written(tmp_path, "mine", config))
        server.solve(1)
        result = server.until(1)["result"]
        assert server.end(None) == 0
    assert result["isError"]
    assert result["content"][0]["text"] == "solve failed: internal error, see the server's log"
    assert any("OSError: private" in line for line in server.stderr_lines)


@pytest.mark.engine
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_the_embedded_servers_exit_with_the_process(end: signal.Signals | None) -> None:
    # A real interpreter, so that its servers are child processes of the process.
    server = Stdio("tiny", interpreter=sys.executable)
    arguments = QUESTION | {"samples": 1}
    server.send_message("tools/call", {"name": "solve", "arguments": arguments}, number=1)
    reply = server.until(1)
    children = psutil.Process(server.process.pid).children(recursive=True)
    engines = [
        child for child in children if "a2r.serving.embedded.llama_server" in child.cmdline()
    ]
    assert len(engines) == 1, reply
    assert server.end(end) == 0
    assert not any(child.is_running() for child in children)


@pytest.mark.parametrize(
    ("options", "code", "message_part"),
    [
        (["--config", "nowhere"], 2, "unknown config 'nowhere'"),
        (["--transport", "http", "--host", "0.0.0.0"], 2, "--no-auth"),
        (["--transport", "http", "--keys", "/nowhere/keys.yaml"], 2, "keys.yaml: cannot be read"),
        (["--transport", "http", "--host", "192.0.2.1", "--no-auth"], 3, "192.0.2.1:8000: "),
    ],
)
def test_startup_errors(options: list[str], code: int, message_part: str) -> None:
    completed = subprocess.run(
        [python(), "-m", "a2r", "mcp", "--config", "tiny", *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (completed.returncode, completed.stdout) == (code, "")
    assert message_part in completed.stderr
    assert completed.stderr.count("\n") == 1


def test_a_missing_extra_is_named() -> None:
    program = "import sys; sys.modules['mcp'] = None; import a2r.cli.app as m; m.run()"
    completed = subprocess.run(
        [sys.executable, "-c", program, "mcp"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert completed.returncode == 2
    assert completed.stderr == "a2r: mcp is not installed: pip install 'a2r-reasoning[mcp]'\n"
