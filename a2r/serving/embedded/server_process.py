"""One server process of the embedded engine: start it, know that it lives, end it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from a2r.config.schema import EngineConfig
from a2r.errors import EngineError, MissingExtraError

START_SECONDS = 600.0
STOP_SECONDS = 5.0
# OpenMP's threads spin for milliseconds at each barrier by default. With one other busy process on
# two cores that makes a model over eight times slower; with short spins it is two times slower,
# and as fast as ever when alone (measured with 135M, 2 threads).
SHORT_SPINS = {"GOMP_SPINCOUNT": "1000"}


@dataclass(frozen=True, kw_only=True)
class ServerProcess:
    """A running server and its base URL."""

    process: subprocess.Popen[str]
    base_url: str

    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self.process.poll() is None

    def stop(self) -> None:
        """End the process, at once if it does not by itself."""
        if self.process.stdin:
            self.process.stdin.close()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


def start(path: Path, alias: str, config: EngineConfig) -> ServerProcess:
    """Start a server for a GGUF file and wait until its model is loaded.

    Raises:
        MissingExtraError: the embedded engine is not installed.
        EngineError: the server ended before it was ready; its decisive line is in the message.
    """
    if find_spec("xllamacpp") is None:
        raise MissingExtraError("the embedded engine (xllamacpp)", "local")
    settings = {"path": str(path), "alias": alias, **config.model_dump()}
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "a2r.serving.embedded.llama_server", json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**SHORT_SPINS, **os.environ},
            # A Ctrl-C in the terminal is for the parent, which then ends its servers in order.
            start_new_session=True,
        )
        line = _first_line(process)
        if not line:
            process.kill()
            process.wait()
            raise EngineError(f"the embedded engine could not load {path.name}: {_reason(log)}")
    address = json.loads(line)["address"]
    return ServerProcess(process=process, base_url=f"{address}/v1")


def _first_line(process: subprocess.Popen[str]) -> str:
    if process.stdout is None:
        raise ValueError("the server's output is not connected")
    overdue = threading.Timer(START_SECONDS, process.kill)
    overdue.start()
    try:
        for line in process.stdout:
            if line.startswith("{"):
                return line
    finally:
        overdue.cancel()
    return ""


def _reason(log: IO[str]) -> str:
    log.seek(0)
    lines = [line.strip() for line in log.read().splitlines() if line.strip()]
    errors = [line for line in lines if " E " in line or "error" in line.lower()]
    return (errors or lines or ["it ended without a word"])[-1][:300]
