"""One server process: started under a guard, asked how it is, and ended with all its children."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from a2r.errors import ConfigError, ServingError
from a2r.serving.vllm import process_guard as guard
from a2r.serving.vllm.log_diagnosis import find_error_line, last_log_line, read_tail, suggest_fix
from a2r.serving.vllm.server_spec import ServerSpec

GRACE_SECONDS = 15.0
# A server that still starts has no request to finish, and vLLM does not listen while it loads.
STARTING_GRACE_SECONDS = 3.0
# How long a guard may take to kill.
GUARD_SECONDS = guard.SETTLE_SECONDS + guard.KILL_SECONDS + 2
POLL_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class VllmProcess:
    """A started server; `start` is the byte of its log file at which its own words begin."""

    guard: subprocess.Popen[bytes]
    log: Path
    start: int
    key: str = field(repr=False)

    async def has_exited(self) -> str:
        """Wait until the server and its children are gone; how it ended, for a message."""
        while self.guard.poll() is None:  # noqa: ASYNC110 - a process sets no event
            await asyncio.sleep(POLL_SECONDS)
        if self.guard.returncode < 0:
            # Somebody killed the guard: what it watched over is in its process group.
            self._kill_group()
        return _ending(self.guard.returncode)

    async def stop(self, grace: float) -> None:
        """End the server in order; it is killed if it has not ended after `grace` seconds."""
        if self.guard.poll() is None:
            self.guard.terminate()
        if not await self._exits_within(grace):
            self.kill()
            if not await self._exits_within(GUARD_SECONDS):
                self._kill_group()
                await self.has_exited()
        if self.guard.stdin:
            self.guard.stdin.close()

    def kill(self) -> None:
        """Have everything killed at once; returns before it is."""
        if self.guard.poll() is None and self.guard.stdin:
            with suppress(OSError, ValueError):
                self.guard.stdin.write(b"k")

    def log_tail(self) -> str:
        """The end of what the server wrote to its log since it was started, without its key."""
        words = read_tail(self.log, self.start)
        return words.replace(self.key, "[key]") if self.key else words

    async def _exits_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self.has_exited(), seconds)
        except TimeoutError:
            return False
        return True

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.guard.pid, signal.SIGKILL)


def start(spec: ServerSpec, log: Path, note: str) -> VllmProcess:
    """Start a server that writes to the end of a log file, its command and `note` first.

    Raises:
        ConfigError: the variable of its API key is not set.
        ServingError: the log file cannot be written, or no process can be started.
    """
    environment = spec.environment()
    now = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab", buffering=0) as stream:
            stream.write(f"# {now} a2r up: {note}\n$ {spec.shell()}\n".encode())
            begin = stream.tell()
            process = subprocess.Popen(
                [sys.executable, "-I", guard.__file__, str(GRACE_SECONDS), *spec.argv()],
                stdin=subprocess.PIPE,
                stdout=stream,
                stderr=stream,
                env=environment,
                bufsize=0,
                # A Ctrl-C in the terminal is for `a2r up`, which then ends its servers in order.
                start_new_session=True,
            )
    except OSError as error:
        raise ServingError(f"{spec.label}: {error.filename or log}: {error.strerror}") from error
    return VllmProcess(guard=process, log=log, start=begin, key=spec.key())


def exit_reason(process: VllmProcess, ending: str | None = None) -> str:
    """Why a server ended, or does not get on: the decisive line of its log, and where that is."""
    words = process.log_tail()
    line = find_error_line(words)
    advice = suggest_fix(line) if line else None
    if line is None:
        last = last_log_line(words)
        line = f"its last line: {last}" if last else "it wrote nothing"
    if ending and "SIGKILL" in ending:
        advice = advice or "the system may have run out of memory"
    parts = [line, f"({advice})" if advice else "", f"[log: {process.log}]"]
    return " ".join(part for part in parts if part)


def check_startable(specs: Iterable[ServerSpec]) -> None:
    """See what can be seen before anything starts.

    Raises:
        ConfigError: an interpreter, a model's folder or a key's variable is not there.
        ServingError: a port is taken, or cannot be used.
    """
    for spec in specs:
        section = f"{spec.roles[0]}.vllm"
        if shutil.which(spec.python) is None:
            raise ConfigError(f"{section}.python: {spec.python} is no program that can be run")
        if spec.model_path is not None and not spec.model_path.exists():
            raise ConfigError(f"{section}: the model {spec.model_path} does not exist")
        spec.key()
        _check_port(spec, section)


def _check_port(spec: ServerSpec, section: str) -> None:
    family = socket.AF_INET6 if ":" in spec.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As vLLM binds it: connections that still fade away are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((spec.host, spec.port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise ServingError(
                    f"{spec.label}: port {spec.port} is taken: end what listens on "
                    f"{spec.root}, or choose another {section}.port"
                ) from error
            raise ServingError(
                f"{spec.label}: {spec.host}:{spec.port} cannot be used: {error.strerror or error}"
            ) from error


def _ending(code: int) -> str:
    killer = -code if code < 0 else code - 128
    if killer > 0:
        with suppress(ValueError):
            return f"was killed by {signal.Signals(killer).name}"
    return f"ended with exit code {code}"
