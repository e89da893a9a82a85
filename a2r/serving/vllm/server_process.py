"""One vLLM server process: start it under a guard, wait for it, stop it with its children."""

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

from a2r._internal.secret_redaction import REDACTED
from a2r.errors import ConfigError, ServingError
from a2r.serving.vllm import process_guard
from a2r.serving.vllm.log_diagnosis import find_error_line, last_log_line, read_tail, suggest_fix
from a2r.serving.vllm.server_spec import ServerSpec

GRACE_SECONDS = 15.0
# A starting server has no requests to finish, and vLLM ignores signals while it loads a model.
STARTING_GRACE_SECONDS = 3.0
# The time limit for the guard to kill all processes.
GUARD_KILL_SECONDS = process_guard.SETTLE_SECONDS + process_guard.KILL_SECONDS + 2
POLL_SECONDS = 0.1
MIN_SECRET_CHARACTERS = 6


@dataclass(frozen=True, kw_only=True)
class VllmProcess:
    """A started server; its output starts at byte `log_start` of the log file."""

    guard: subprocess.Popen[bytes]
    log: Path
    log_start: int
    secrets: tuple[str, ...] = field(repr=False)

    async def wait(self) -> str:
        """Wait until the server and its children have exited; return the reason for a message."""
        while self.guard.poll() is None:  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(POLL_SECONDS)
        if self.guard.returncode < 0:
            # The guard was killed: its server is in the same process group.
            self._kill_group()
        return _exit_status(self.guard.returncode)

    async def stop(self, grace: float) -> None:
        """Stop the server with SIGTERM, and with SIGKILL after `grace` seconds."""
        if self.guard.poll() is None:
            self.guard.terminate()
        if not await self._exits_within(grace):
            self.kill()
            if not await self._exits_within(GUARD_KILL_SECONDS):
                self._kill_group()
                await self.wait()
        if self.guard.stdin:
            self.guard.stdin.close()

    def kill(self) -> None:
        """Request that all processes are killed; returns immediately."""
        if self.guard.poll() is None and self.guard.stdin:
            with suppress(OSError, ValueError):
                self.guard.stdin.write(b"k")

    def log_tail(self) -> str:
        """The last output of the server since its start, without secrets."""
        text = read_tail(self.log, self.log_start)
        for secret in self.secrets:
            text = text.replace(secret, REDACTED)
        return text

    async def _exits_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.guard.pid, signal.SIGKILL)


def start(spec: ServerSpec, log: Path, note: str) -> VllmProcess:
    """Start a server that appends to a log file, after a line with `note` and its command.

    Raises:
        ConfigError: the variable of the API key is not set.
        ServingError: the log file cannot be written, or the process cannot be started.
    """
    environment = spec.environment()
    now = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab", buffering=0) as stream:
            stream.write(f"# {now} a2r up: {note}\n$ {spec.shell()}\n".encode())
            log_start = stream.tell()
            process = subprocess.Popen(
                [sys.executable, "-I", process_guard.__file__, str(GRACE_SECONDS), *spec.argv()],
                stdin=subprocess.PIPE,
                stdout=stream,
                stderr=stream,
                env=environment,
                bufsize=0,
                # Ctrl-C in the terminal must reach only `a2r up`, which then stops its servers.
                start_new_session=True,
            )
    except OSError as error:
        raise ServingError(f"{spec.label}: {error.filename or log}: {error.strerror}") from error
    return VllmProcess(guard=process, log=log, log_start=log_start, secrets=_log_secrets(spec))


def exit_reason(process: VllmProcess, exit_status: str | None = None) -> str:
    """The error line in the log of a server, a hint, and the path of the log."""
    text = process.log_tail()
    line = find_error_line(text)
    hint = suggest_fix(line) if line else None
    if line is None:
        last = last_log_line(text)
        line = f"last log line: {last}" if last else "the log is empty"
    if exit_status and "SIGKILL" in exit_status:
        hint = hint or "the system may have run out of memory"
    parts = [line, f"({hint})" if hint else "", f"[log: {process.log}]"]
    return " ".join(part for part in parts if part)


def check_startable(specs: Iterable[ServerSpec]) -> None:
    """Check the preconditions of all servers before any of them starts.

    Raises:
        ConfigError: an interpreter, the folder of a model, or the variable of a key is missing.
        ServingError: a port is in use, or cannot be bound.
    """
    for spec in specs:
        section = f"{spec.roles[0]}.vllm"
        if shutil.which(spec.python) is None:
            raise ConfigError(f"{section}.python: {spec.python} is not executable")
        if spec.model_path is not None and not spec.model_path.exists():
            raise ConfigError(f"{section}: the model {spec.model_path} does not exist")
        spec.key()
        _check_port(spec, section)


def _check_port(spec: ServerSpec, section: str) -> None:
    family = socket.AF_INET6 if ":" in spec.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        # vLLM sets it, too: closed connections in TIME_WAIT do not block the port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((spec.host, spec.port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise ServingError(
                    f"{spec.label}: port in use: stop the process on {spec.root}, or choose "
                    f"another {section}.port"
                ) from error
            raise ServingError(
                f"{spec.label}: cannot bind {spec.host}:{spec.port}: {error.strerror or error}"
            ) from error


def _exit_status(code: int) -> str:
    number = -code if code < 0 else code - 128
    if number > 0:
        with suppress(ValueError):
            return f"was killed by {signal.Signals(number).name}"
    return f"exited with code {code}"


def _log_secrets(spec: ServerSpec) -> tuple[str, ...]:
    """The values to remove from the log, longest first; very short ones occur in any text."""
    secrets = [value for value in spec.secrets() if len(value) >= MIN_SECRET_CHARACTERS]
    return tuple(sorted(filter(None, [spec.key(), *secrets]), key=len, reverse=True))
