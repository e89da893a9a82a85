"""The process that holds a lease, and whether it is still alive."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# Fields of /proc/PID/stat after the command's name: its state, and its start since the boot.
STATE_FIELD = 0
START_FIELD = 19


@dataclass(frozen=True, kw_only=True)
class LeaseHolder:
    """A run's process: `owner` is unique to the run, `host` to the machine and its boot."""

    owner: str
    host: str
    pid: int
    start: str

    @classmethod
    def current(cls, owner: str) -> LeaseHolder:
        """A holder in this process."""
        return cls(owner=owner, host=_host(), pid=os.getpid(), start=_start(os.getpid()) or "")

    @property
    def description(self) -> str:
        """The process, for messages."""
        machine = "" if self.host == _host() else f" on {self.host.partition('/')[0]}"
        return f"process {self.pid}{machine}"

    def has_ended(self) -> bool:
        """Whether the process has certainly ended; of another machine nothing is known."""
        if self.host != _host():
            return False
        if self.start:
            return _start(self.pid) != self.start
        return not _exists(self.pid)


def _start(pid: int) -> str | None:
    """When a process started; `None` if it has ended, or the system does not tell."""
    try:
        # The name of the command may contain spaces and brackets.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[STATE_FIELD] in ("Z", "X") else fields[START_FIELD]


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@cache
def _host() -> str:
    """The name of the machine, its boot and its namespace of process IDs."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        boot = namespace = ""
    return f"{socket.gethostname()}/{boot}/{namespace}"
