"""The limits of a process that computes answers: memory, recursion, files and side effects.

The limits of time are requested with each computation, see `worker`.
"""

from __future__ import annotations

import os
import resource
import sys
from typing import Any

MAX_RECURSION = 6000
FORBIDDEN = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "os.forkpty",
    "os.kill",
    "os.putenv",
)
FORBIDDEN_PREFIXES = ("subprocess.", "socket.", "shutil.", "ctypes.", "urllib.", "ftplib.", "pty.")
WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def limit_process(memory: int) -> None:
    """Limit this process for the rest of its life: `memory` in bytes, no writing, no side effects.

    Exceeding the memory raises `MemoryError`, a refused side effect `PermissionError`.
    """
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.setrecursionlimit(MAX_RECURSION)
    sys.addaudithook(_refuse_side_effects)


def _refuse_side_effects(event: str, args: tuple[Any, ...]) -> None:
    """Refuse operations that no comparison needs: processes, sockets, writing files.

    Raises:
        PermissionError: the event is one of them.
    """
    if event in FORBIDDEN or event.startswith(FORBIDDEN_PREFIXES):
        raise PermissionError(f"{event} is not allowed in a worker")
    if event == "open" and len(args) > 2 and isinstance(args[2], int) and args[2] & WRITE_FLAGS:
        raise PermissionError("writing files is not allowed in a worker")
