"""`langgraph dev` in a subprocess, and an endpoint that pauses in the middle of a text."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.support.fake_openai import FakeOpenAI, ScriptedReply

ROOT = Path(__file__).resolve().parents[2]
# Disable analytics and the check for new versions.
QUIET = {"LANGGRAPH_CLI_NO_ANALYTICS": "1", "LANGGRAPH_NO_VERSION_CHECK": "true"}
FOREIGN = ("A2R_", "OPENAI_", "LANGSMITH_", "LANGCHAIN_", "LANGGRAPH_")
READY = "Application started up"
SECONDS = 60


class PausingServer(FakeOpenAI):
    """With `go` set, each reply pauses in the middle of its text until that event."""

    resume_event: threading.Event | None = None

    async def _stream(
        self, request: web.Request, body: dict[str, Any], scripted: ScriptedReply
    ) -> web.StreamResponse:
        if self.resume_event is None:
            return await super()._stream(request, body, scripted)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        half = len(scripted.text) // 2
        await response.write(_chunk(scripted.text[:half], None))
        assert await asyncio.to_thread(self.resume_event.wait, SECONDS), "not resumed in time"
        await response.write(_chunk(scripted.text[half:], "stop"))
        return response


def _chunk(text: str, finish_reason: str | None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


@contextmanager
def langgraph_dev(
    folder: Path, *flags: str, graphs: Path = ROOT / "langgraph.json", **variables: str
) -> Iterator[str]:
    """Run a server, yield its URL, and terminate it.

    It stores its threads in `folder`, where the next server finds them. `flags` are those of
    `langgraph dev`, `graphs` is the file that names the graphs.
    """
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)
    }
    port = _free_port()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "langgraph_cli", "dev", "--no-browser", "--no-reload"),
            *("--config", str(graphs), "--port", str(port), *flags),
        ],
        cwd=folder,
        env={**environment, **QUIET, **variables, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    log = _Log(process)
    try:
        log.until_ready()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(SECONDS)
        log.join(SECONDS)


class _Log(threading.Thread):
    """Reads the output of a server, so that its pipe never blocks."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        super().__init__()
        self._process = process
        self._lines: list[str] = []
        self._ready = threading.Event()
        self.start()

    def run(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.append(line)
            if READY in line:
                self._ready.set()
        self._ready.set()

    def until_ready(self) -> None:
        assert self._ready.wait(SECONDS), "langgraph dev did not start"
        assert any(READY in line for line in self._lines), "".join(self._lines)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
