"""Runs one server as its child and leaves nothing of it behind, whatever ends first.

`python -I guard.py GRACE COMMAND…`, started by `a2r up` as the leader of a session of its own. It
uses the standard library alone. Its standard input decides:

- the end of it (`a2r up` is gone), or a SIGTERM: the server is asked to end, gets `GRACE` seconds
  for that, and is then killed;
- a byte: everything is killed at once.

A server that ends by itself takes its children with it. The exit code is the server's; 128 + N
where signal N killed it, 127 where it could not be started.
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
# For helpers that still have something to do after the server, as Python's tracker of shared
# memory has, which takes no SIGTERM.
SETTLE_SECONDS = 3.0
KILL_SECONDS = 5.0
STEP_SECONDS = 0.02
COULD_NOT_START = 127
LINUX = sys.platform == "linux"
libc = ctypes.CDLL(None, use_errno=True) if LINUX else None


class ProcessGuard:
    """The server's parent, until neither it nor any child of it is left."""

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
        """Wait for the server's end or the order to end it; the code to exit with."""
        while self._status is None and not self._stopping:
            self._wait(PARENT_CHECK_SECONDS)
            self._stopping = self._stopping or os.getppid() != self._parent
        if self._status is None and not self._killing:
            self._server.send_signal(signal.SIGTERM)
            self._until(lambda: self._status is not None, self._grace)
        self._stop_descendants()
        status = self._status if self._status is not None else -signal.SIGKILL
        return 128 - status if status < 0 else status

    def _stop_descendants(self) -> None:
        if not LINUX:
            # Without /proc the group is all there is to go by, and this process is part of it.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.killpg(0, signal.SIGTERM if self._status is not None else signal.SIGKILL)
            return
        if self._status is not None and not self._killing:
            _send(signal.SIGTERM, descendants(os.getpid()))
            self._until(lambda: not descendants(os.getpid()), SETTLE_SECONDS)
        deadline = time.monotonic() + KILL_SECONDS
        while (alive := descendants(os.getpid())) and time.monotonic() < deadline:
            _send(signal.SIGKILL, alive)
            time.sleep(STEP_SECONDS)
            self._reap()

    def _until(self, condition: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition() and not self._killing:
            left = deadline - time.monotonic()
            if left <= 0:
                return
            self._wait(min(left, 0.1))

    def _wait(self, seconds: float) -> None:
        """Sleep until a child ends, an order comes, or the time is over."""
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
                # Known from here on, so that no signal goes to whoever gets the number next.
                self._server.returncode = self._status

    def _stop_requested(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True


def descendants(root: int) -> list[int]:
    """The processes below `root` that still run, by Linux's /proc."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            # The name in brackets may hold anything, brackets too.
            state, parent = stat.rpartition(")")[2].split()[:2]
            if state not in "ZX":
                children.setdefault(int(parent), []).append(int(entry.name))
    found, left = [], [root]
    while left:
        below = children.get(left.pop(), [])
        found += below
        left += below
    return found


def _send(number: signal.Signals, pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _wake_up(_number: int, _frame: FrameType | None) -> None:
    """Nothing: that there is a handler is what makes the signal arrive."""


def _die_with_parent() -> None:
    if libc:
        libc.prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def main() -> None:
    """Guard the command of the arguments."""
    grace, *command = sys.argv[1:]
    try:
        guard = ProcessGuard(command, float(grace))
    except OSError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(COULD_NOT_START)
    sys.exit(guard.run())


if __name__ == "__main__":
    main()
