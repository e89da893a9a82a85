"""A pool of worker processes that compute what may hang, with limits on every request.

Workers are plain subprocesses, so they need no main guard and work from notebooks, threads,
event loops and Ray actors. They start on first use and end with this process.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import json
import logging
import os
import select
import subprocess
import sys
import threading
import time
from dataclasses import replace
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from a2r.answers.errors import WorkerError
from a2r.answers.settings import DEFAULTS, Settings

LOGGER = logging.getLogger(__name__)
GRACE = 1.0
START_WAIT_SECONDS = 2.0
REQUIRED = ("mpmath", "sympy", "math-verify", "latex2sympy2_extended", "antlr4-python3-runtime")
OPTIONAL = ("jsonschema-rs",)
MAX_REMEMBERED_FAILURES = 2048


class Worker:
    """One worker process; not for two threads at once."""

    def __init__(self, settings: Settings) -> None:
        """Start the process.

        Raises:
            WorkerError: the operating system refuses.
        """
        self.settings = settings
        # -P keeps the working directory, where anyone may have put a mpmath.py, off the path.
        command = [
            sys.executable,
            "-P",
            "-m",
            "a2r.answers.sandbox.worker",
            str(settings.worker_bytes),
        ]
        path = os.pathsep.join(_folders())
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": path},
                start_new_session=True,
            )
        except OSError as error:
            raise WorkerError(f"cannot start a worker for comparing answers: {error}") from error
        self.pending = b""

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any] | None:
        """The reply to a request, or `None` if the worker died over it or fell silent.

        The time counts from the moment the worker has loaded what it needs.

        Raises:
            WorkerError: the process had ended before it took the request up.
        """
        line = json.dumps({**request, "seconds": seconds}).encode() + b"\n"
        try:
            self._write(line)
            begun = self._line(self.settings.start_seconds) is not None
        except (OSError, ValueError):
            begun = False
        if not begun:
            raise WorkerError("a worker for comparing answers has ended")
        start = time.monotonic()
        reply = self._line(START_WAIT_SECONDS * seconds + GRACE)
        return None if reply is None else {**json.loads(reply), "seconds": time.monotonic() - start}

    def _write(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def _line(self, seconds: float) -> bytes | None:
        assert self.process.stdout is not None
        end = time.monotonic() + seconds
        pipe = self.process.stdout.fileno()
        while b"\n" not in self.pending:
            ready, _, _ = select.select([pipe], [], [], max(0.0, end - time.monotonic()))
            piece = os.read(pipe, 1 << 16) if ready else b""
            if not piece:
                return None
            self.pending += piece
        line, _, self.pending = self.pending.partition(b"\n")
        return line

    def close(self) -> None:
        """End the process and everything it started, and wait for it."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, 9)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self.process.wait()


def _folders() -> list[str]:
    """The folders of what a worker imports, by what is installed, not by what has its name."""
    here = Path(__file__).resolve().parents[3]
    extra = [name for name in OPTIONAL if _is_installed(name)]
    installed = (Path(str(distribution(name).locate_file(""))) for name in (*REQUIRED, *extra))
    return list(dict.fromkeys(str(folder.resolve()) for folder in (here, *installed)))


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


class WorkerPool:
    """At most `settings.workers` processes, lent to one caller at a time; safe for threads."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.idle: list[Worker] = []
        self.slots = threading.BoundedSemaphore(settings.workers)
        self.lock = threading.Lock()
        self.known_failures: dict[str, float] = {}

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The reply to a request; `{"undecided": why}` where there is none in time."""
        if seconds <= 0:
            return {"undecided": "no time is left", "seconds": 0.0}
        # A hash, since what is remembered would hold every schema that was too hard.
        asked = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
        if self.known_failures.get(asked, 0.0) >= seconds:
            return {"undecided": "it used up its time before", "seconds": 0.0}
        if not self.slots.acquire(timeout=self.settings.start_seconds):
            return {"undecided": "no worker was free in time", "seconds": 0.0}
        try:
            reply = self._ask_once(request, seconds)
        except WorkerError as error:
            LOGGER.warning("%s; what it was to compare counts as different", error)
            return {"undecided": str(error), "seconds": 0.0}
        finally:
            self.slots.release()
        if reply and reply.get("hard"):
            self._remember(asked, seconds)
        return reply or {"undecided": "the worker process ended", "seconds": seconds}

    def _remember(self, asked: str, seconds: float) -> None:
        """Never again spend as much time on a request that used it all up computing."""
        with self.lock:
            self.known_failures[asked] = seconds
            if len(self.known_failures) > MAX_REMEMBERED_FAILURES:
                self.known_failures.pop(next(iter(self.known_failures)))

    def _ask_once(self, request: dict[str, Any], seconds: float) -> dict[str, Any] | None:
        worker = self._acquire()
        reply: dict[str, Any] | None = None
        try:
            reply = worker.ask(request, seconds)
        finally:
            self._release(worker, usable=reply is not None)
        return reply

    def _acquire(self) -> Worker:
        with self.lock:
            while self.idle:
                worker = self.idle.pop()
                if worker.process.poll() is None:
                    return worker
                worker.close()
        return Worker(self.settings)

    def _release(self, worker: Worker, *, usable: bool) -> None:
        if usable:
            with self.lock:
                self.idle.append(worker)
        else:
            worker.close()

    def close(self) -> None:
        """End the idle workers; new ones start when they are needed."""
        with self.lock:
            idle, self.idle = self.idle, []
        for worker in idle:
            worker.close()


def get_worker_pool(settings: Settings) -> WorkerPool:
    """The pool of this process for some settings, ended at exit and not shared with forks."""
    return _cached_pool(
        replace(
            DEFAULTS,
            workers=settings.workers,
            worker_bytes=settings.worker_bytes,
            start_seconds=settings.start_seconds,
        )
    )


@cache
def _cached_pool(settings: Settings) -> WorkerPool:
    pool = WorkerPool(settings)
    atexit.register(pool.close)
    return pool


# A forked child must not talk through its parent's pipes.
os.register_at_fork(after_in_child=_cached_pool.cache_clear)
