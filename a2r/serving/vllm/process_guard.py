"""Run one server as a child process, and stop all of its processes when either side exits.

`a2r up` starts `python -I process_guard.py GRACE COMMAND…` as the leader of a new session. The
guard uses only the standard library. It reads its standard input:

- End of file (`a2r up` has exited), or SIGTERM: the server gets SIGTERM, and SIGKILL after `GRACE`
  seconds.
- One byte: all processes are killed immediately.

When the server exits, its child processes are stopped, too. The exit code is that of the server,
128 + N if signal N killed it, or 127 if it could not be started.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType

SET_PARENT_DEATH_SIGNAL = 1
SET_CHILD_SUBREAPER = 36
PARENT_CHECK_SECONDS = 1.0
# For helper processes that outlive the server, such as Python's resource tracker, which ignores
# SIGTERM.
SETTLE_SECONDS = 3.0
KILL_SECONDS = 5.0
KILL_INTERVAL_SECONDS = 0.02
EXIT_COMMAND_NOT_FOUND = 127
LINUX = sys.platform == "linux"
libc = ctypes.CDLL(None, use_errno=True) if LINUX else None


class ProcessGuard:
    """The parent of the server; it waits until the server and its child processes have exited."""

    def __init__(self, command: list[str], grace: float) -> None:
        self._grace = grace
        self._parent = os.getppid()
        self._stdin: list[int] = [0]
        self._status: int | None = None
        self._stopping = False
        self._killing = False
        self._wake, writer = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop_requested)
        signal.signal(signal.SIGCHLD, _wake_up)
        if libc:
            libc.prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._server = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent if LINUX else None
        )

    def run(self) -> int:
        """Wait until the server exits or a stop is requested; return the exit code."""
        while self._status is None and not self._stopping:
            self._wait(PARENT_CHECK_SECONDS)
            self._stopping = self._stopping or os.getppid() != self._parent
        if self._status is None and not self._killing:
            self._server.send_signal(signal.SIGTERM)
            self._wait_until(lambda: self._status is not None, self._grace)
        self._stop_descendants()
        status = self._status if self._status is not None else -signal.SIGKILL
        return 128 - status if status < 0 else status

    def _stop_descendants(self) -> None:
        if not LINUX:
            # Without /proc only the process group is known, and this process is part of it.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.killpg(0, signal.SIGTERM if self._status is not None else signal.SIGKILL)
            return
        if self._status is not None and not self._killing:
            _send_signal(signal.SIGTERM, descendants(os.getpid()))
            self._wait_until(lambda: not descendants(os.getpid()), SETTLE_SECONDS)
        deadline = time.monotonic() + KILL_SECONDS
        while (alive := descendants(os.getpid())) and time.monotonic() < deadline:
            _send_signal(signal.SIGKILL, alive)
            time.sleep(KILL_INTERVAL_SECONDS)
            self._reap()

    def _wait_until(self, condition: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition() and not self._killing:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return
            self._wait(min(remaining, 0.1))

    def _wait(self, seconds: float) -> None:
        """Sleep until a child process exits, a request arrives, or the time is up."""
        ready, _, _ = select.select([*self._stdin, self._wake], [], [], seconds)
        if self._wake in ready:
            os.read(self._wake, 512)
        if 0 in ready:
            self._killing = bool(os.read(0, 512))
            self._stdin = []
            self._stopping = True
        self._reap()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._server.pid:
                self._status = os.waitstatus_to_exitcode(status)
                # Set at once, so that no signal goes to another process that reuses the ID.
                self._server.returncode = self._status

    def _stop_requested(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True


def descendants(root: int) -> list[int]:
    """The running descendants of the process `root`, from /proc (Linux)."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            # The process name in parentheses may contain any characters, including parentheses.
            state, parent = stat.rpartition(")")[2].split()[:2]
            if state not in "ZX":
                children.setdefault(int(parent), []).append(int(entry.name))
    result, pending = [], [root]
    while pending:
        pids = children.get(pending.pop(), [])
        result += pids
        pending += pids
    return result


def _send_signal(number: signal.Signals, pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _wake_up(_number: int, _frame: FrameType | None) -> None:
    """Do nothing; a handler is required for the signal to wake up `select`."""


def _die_with_parent() -> None:
    if libc:
        libc.prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def main() -> None:
    """Run the command in the arguments under a guard."""
    grace, *command = sys.argv[1:]
    try:
        guard = ProcessGuard(command, float(grace))
    except OSError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(EXIT_COMMAND_NOT_FOUND)
    sys.exit(guard.run())


if __name__ == "__main__":
    main()
