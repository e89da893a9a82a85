"""A thread that appends to files, so that no write blocks the event loop."""

from __future__ import annotations

import errno
import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from a2r._internal.logging import get_logger
from a2r.batch.errors import BankError

# A write that finds no space waits for it, as what it writes has been paid for.
RETRY_SECONDS = 5.0
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class AppendFile:
    """A file that is only appended to; a write that fails leaves nothing behind.

    `offset` is its length in bytes.
    """

    def __init__(self, path: Path, offset: int | None = None) -> None:
        """Open a file, cut to `offset` if that is given.

        Raises:
            OSError: it cannot be opened.
        """
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        self.offset = os.fstat(self._descriptor).st_size if offset is None else offset
        os.ftruncate(self._descriptor, self.offset)

    def append(self, data: bytes, *, sync: bool = False) -> None:
        """Append data; with `sync`, wait until the disk has it.

        Raises:
            OSError: it cannot be written; the file is as before.
        """
        view = memoryview(data)
        try:
            while view:
                position = self.offset + len(data) - len(view)
                view = view[os.pwrite(self._descriptor, view, position) :]
            if sync:
                os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self.offset)
            raise
        self.offset += len(data)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


@dataclass
class FileWriter:
    """Runs writes one after the other in a thread; a full disk makes it wait for space.

    `on_wait` is called from the thread when it starts to wait.
    """

    on_wait: Callable[[str], None]
    _jobs: queue.SimpleQueue[tuple[Callable[[], None], Future[None]] | None] = field(
        default_factory=queue.SimpleQueue
    )
    _stopped: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="a2r-bank", daemon=True)
        self._thread.start()

    def submit(self, write: Callable[[], None]) -> Future[None]:
        """Run a write after those before it; its future has its error."""
        future: Future[None] = Future()
        self._jobs.put((write, future))
        return future

    def stop_waiting(self) -> None:
        """Let a write that waits for space fail instead."""
        self._stopped.set()

    def close(self) -> None:
        """Wait for all writes, and end the thread."""
        self._jobs.put(None)
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            write, future = job
            try:
                self._write(write)
            except BaseException as error:  # noqa: BLE001 - belongs to who waits for the write
                future.set_exception(error)
            else:
                future.set_result(None)

    def _write(self, write: Callable[[], None]) -> None:
        waits = False
        while True:
            try:
                write()
            except OSError as error:
                if error.errno not in NO_SPACE or self._stopped.is_set():
                    raise BankError(_message(error)) from error
                if not waits:
                    self.on_wait(_message(error))
                    get_logger().error("bank waits for space", error=_message(error))
                    waits = True
                self._stopped.wait(RETRY_SECONDS)
            else:
                return


def _message(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"the bank cannot be written: {where}{error.strerror}"
