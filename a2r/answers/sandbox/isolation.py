"""Isolation of a process that executes a program: no network, no other files, few resources.

Linux enforces all of it. On other systems the network namespace is missing, and only the audit
hook refuses sockets, other processes and files.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from pathlib import Path
from typing import Any

from a2r.answers.sandbox.process_limits import WRITE_FLAGS

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
MAX_OPEN_FILES = 32
REFUSED_PREFIXES = (
    "subprocess.", "socket.", "ctypes.", "urllib.", "ftplib.", "http.", "smtplib.", "pty.",
    "shutil.", "winreg.", "signal.pthread_kill", "sys.addaudithook",
)  # fmt: skip
REFUSED = frozenset(
    {
        "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "os.kill",
        "os.killpg", "os.putenv", "os.unsetenv", "os.remove", "os.rename", "os.mkdir", "os.rmdir",
        "os.link", "os.symlink", "os.chmod", "os.chown", "os.truncate", "os.scandir", "os.chdir",
        "glob.glob",
    }
)  # fmt: skip


def isolate(memory: int, seconds: int) -> None:
    """Isolate this process for the rest of its life; `memory` in bytes, `seconds` of CPU.

    Call it after all imports: it refuses to read files outside of Python's own library.
    """
    _leave_network()
    for limit, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, MAX_OPEN_FILES),
        (resource.RLIMIT_NPROC, 0),
    ):
        resource.setrlimit(limit, (value, value))
    library = tuple(str(Path(folder).resolve()) for folder in {sys.prefix, sys.base_prefix})

    def refuse(event: str, args: tuple[Any, ...]) -> None:
        if event in REFUSED or event.startswith(REFUSED_PREFIXES):
            raise PermissionError(f"{event} is not allowed in a tested program")
        if event == "open" and not _may_open(args, library):
            raise PermissionError("a tested program may not open this file")
        if event == "os.listdir" and not _is_inside(args[0], library):
            raise PermissionError("a tested program may not list this folder")

    sys.addaudithook(refuse)


def _may_open(args: tuple[Any, ...], library: tuple[str, ...]) -> bool:
    path, flags = args[0], args[2] if len(args) > 2 else 0
    if isinstance(path, int):
        return True
    if isinstance(flags, int) and flags & WRITE_FLAGS:
        return False
    return _is_inside(path, library)


def _is_inside(path: Any, library: tuple[str, ...]) -> bool:
    return path is not None and os.path.realpath(os.fsdecode(path)).startswith(library)


def _leave_network() -> None:
    """Enter a network namespace without interfaces, where the system allows it."""
    unshare = getattr(ctypes.CDLL(None, use_errno=True), "unshare", None)
    if unshare is not None and unshare(CLONE_NEWNET) != 0:
        unshare(CLONE_NEWUSER | CLONE_NEWNET)
