"""Run `a2r up` with stub servers: the config, the processes, the output."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import psutil
import pytest
import yaml

from tests.support.preloaded_python import python

STUB = Path(__file__).resolve().parent / "stub_vllm"
SECONDS = 30.0


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.02)


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Setup:
    """A folder with a config, the servers' pid files, and their logs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pids = folder / "pids"
        self.pids.mkdir()
        self.logs = folder / "logs"
        self.ports = free_ports(2)

    def config(self, *, explorer: dict[str, Any] | None = None, **stub: str) -> Path:
        """A config of two roles with a server each; `stub` are the stub's variables."""
        env = {"PYTHONPATH": str(STUB), "STUB_PIDS": str(self.pids), **stub}
        roles = {
            name: {"model": model, "vllm": {"port": port, "env": env, "startup": 20}}
            for name, model, port in zip(
                ("explorer", "synthesizer"), ("small", "big"), self.ports, strict=True
            )
        }
        for key, value in (explorer or {}).items():
            if key in ("model", "api_key_env"):
                roles["explorer"][key] = value
            else:
                roles["explorer"]["vllm"][key] = value
        path = self.folder / "mine.yaml"
        path.write_text(yaml.safe_dump(roles))
        return path

    def processes(self, what: str = "") -> list[int]:
        """The IDs of the processes that the stub recorded as `PORT-ROLE-PID`."""
        notes = sorted(path.name for path in self.pids.glob("*-*-*"))
        return [int(note.split("-")[2]) for note in notes if note.startswith(what)]

    def log(self, role: str) -> str:
        port = self.ports[role == "synthesizer"]
        return (self.logs / f"{role}-{port}.log").read_text()

    def kill_remaining(self) -> None:
        for pid in self.processes():
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                # The process ID may belong to another process by now.
                if str(STUB) in repr(process.environ()):
                    process.kill()

    def is_clean(self) -> bool:
        return not any(psutil.pid_exists(pid) and runs(pid) for pid in self.processes())


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _reset_signals() -> None:
    # Background processes of a shell ignore SIGINT, and processes under `nohup` ignore SIGHUP.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Up:
    """A running `a2r up` and its output."""

    def __init__(
        self, setup: Setup, path: Path, *arguments: str, interpreter: str = "", **variables: str
    ) -> None:
        self.setup = setup
        command = [interpreter or python(), "-m", "a2r", "up", str(path)]
        self.process = subprocess.Popen(
            [*command, "--logs", str(setup.logs), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **variables},
            preexec_fn=_reset_signals,
        )
        self.stdout: list[str] = []
        self.stderr: list[str] = []
        self._lines: Queue[str] = Queue()
        self._readers = [
            threading.Thread(target=self._read, args=pair)
            for pair in ((self.process.stdout, self.stdout), (self.process.stderr, self.stderr))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: Any, lines: list[str]) -> None:
        for line in stream:
            lines.append(line.rstrip("\n"))
            self._lines.put(line)

    def until(self, text: str, times: int = 1) -> None:
        """Wait until `times` lines of the output contain a text."""
        seen = 0
        deadline = time.monotonic() + SECONDS
        while seen < times:
            try:
                seen += text in self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                pytest.fail(f"{text!r} was not printed: {self.stdout} {self.stderr}")

    def exit_code(self) -> int:
        code = self.process.wait(SECONDS)
        for reader in self._readers:
            reader.join(SECONDS)
        return code
