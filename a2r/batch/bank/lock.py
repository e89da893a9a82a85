"""The lock of a bank: one process writes it at a time."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from a2r.batch.errors import BankBusyError, BankError

LOCK = "lock"


@contextmanager
def bank_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a bank; it ends with the process.

    Raises:
        BankBusyError: another process writes the bank.
        BankError: the folder cannot be written.
    """
    path = folder / LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise BankError(f"{folder}: cannot be written: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 200, 0).decode("utf-8", "replace").strip()
            raise BankBusyError(
                f"{folder}: {holder or 'another process'} writes this bank: wait until it has "
                "ended, or choose another folder"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
