"""One server process of the embedded engine: start, check and stop it."""

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
# By default, the threads of OpenMP spin for milliseconds at each barrier. With another busy process
# on two cores, the model is then over eight times slower; with short spins it is two times slower.
# Alone it is equally fast (measured with a 135M model and 2 threads).
OPENMP_SPINS = {"GOMP_SPINCOUNT": "1000"}


@dataclass(frozen=True, kw_only=True)
class ServerProcess:
    """A running server and its base URL."""

    process: subprocess.Popen[str]
    base_url: str

    def is_alive(self) -> bool:
        """Whether the process is running."""
        return self.process.poll() is None

    def stop(self) -> None:
        """Stop the process; kill it after `STOP_SECONDS`."""
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
        EngineError: the server exited before it was ready; the message has its error line.
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
            env={**OPENMP_SPINS, **os.environ},
            # Ctrl-C in the terminal must reach only the parent, which then stops its servers.
            start_new_session=True,
        )
        line = _first_line(process)
        if not line:
            process.kill()
            process.wait()
            raise EngineError(f"the embedded engine could not load {path.name}: {_error_line(log)}")
    address = json.loads(line)["address"]
    return ServerProcess(process=process, base_url=f"{address}/v1")


def _first_line(process: subprocess.Popen[str]) -> str:
    if process.stdout is None:
        raise ValueError("the output of the server is not a pipe")
    timer = threading.Timer(START_SECONDS, process.kill)
    timer.start()
    try:
        for line in process.stdout:
            if line.startswith("{"):
                return line
    finally:
        timer.cancel()
    return ""


def _error_line(log: IO[str]) -> str:
    log.seek(0)
    lines = [line.strip() for line in log.read().splitlines() if line.strip()]
    errors = [line for line in lines if " E " in line or "error" in line.lower()]
    return (errors or lines or ["exited without output"])[-1][:300]
