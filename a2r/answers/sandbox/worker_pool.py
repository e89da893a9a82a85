"""A pool of worker processes for computations that may hang, with limits on each request.

Workers are plain subprocesses: they need no main guard and work from notebooks, threads, event
loops and Ray actors. They start on first use and exit with this process.
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
from a2r.answers.sandbox.worker_slots import WorkerSlots
from a2r.answers.settings import DEFAULTS, Settings

LOGGER = logging.getLogger(__name__)
GRACE_SECONDS = 1.0
# The limit on the clock, as a multiple of the CPU limit of a request.
CLOCK_FACTOR = 2.0
REQUIRED_PACKAGES = (
    "mpmath",
    "sympy",
    "math-verify",
    "latex2sympy2_extended",
    "antlr4-python3-runtime",
)
OPTIONAL_PACKAGES = ("jsonschema-rs",)
MAX_KNOWN_FAILURES = 2048


class Worker:
    """One worker process; only one thread may use it at a time."""

    def __init__(self, settings: Settings) -> None:
        """Start the process.

        Raises:
            WorkerError: the operating system cannot start it.
        """
        self.settings = settings
        # -P keeps the working directory, which may contain a foreign mpmath.py, off the path.
        command = [
            sys.executable,
            "-P",
            "-m",
            "a2r.answers.sandbox.worker",
            str(settings.worker_bytes),
        ]
        path = os.pathsep.join(_import_paths())
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
            raise WorkerError(
                f"cannot start a worker process for comparing answers: {error}"
            ) from error
        self.pending = b""

    def run(self, request: dict[str, Any], seconds: float) -> dict[str, Any] | None:
        """Run a request and return the reply, or `None` if the worker died or did not reply.

        The time limit starts when the worker has loaded its libraries.

        Raises:
            WorkerError: the process exited before it accepted the request.
        """
        line = json.dumps({**request, "seconds": seconds}).encode() + b"\n"
        try:
            self._write(line)
            started = self._read_line(self.settings.start_seconds) is not None
        except (OSError, ValueError):
            started = False
        if not started:
            raise WorkerError("a worker process for comparing answers has exited")
        start = time.monotonic()
        reply = self._read_line(CLOCK_FACTOR * seconds + GRACE_SECONDS)
        return None if reply is None else {**json.loads(reply), "seconds": time.monotonic() - start}

    def _write(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def _read_line(self, seconds: float) -> bytes | None:
        assert self.process.stdout is not None
        deadline = time.monotonic() + seconds
        pipe = self.process.stdout.fileno()
        while b"\n" not in self.pending:
            ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
            chunk = os.read(pipe, 1 << 16) if ready else b""
            if not chunk:
                return None
            self.pending += chunk
        line, _, self.pending = self.pending.partition(b"\n")
        return line

    def close(self) -> None:
        """Kill the process and its children, and wait for it."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, 9)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self.process.wait()


def _import_paths() -> list[str]:
    """The folders of the packages that a worker imports, by their installation records."""
    source = Path(__file__).resolve().parents[3]
    extra = [name for name in OPTIONAL_PACKAGES if _is_installed(name)]
    installed = (
        Path(str(distribution(name).locate_file(""))) for name in (*REQUIRED_PACKAGES, *extra)
    )
    return list(dict.fromkeys(str(folder.resolve()) for folder in (source, *installed)))


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


class WorkerPool:
    """A pool of at most `settings.workers` processes; it is thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.idle: list[Worker] = []
        self.slots = WorkerSlots(settings.workers)
        self.lock = threading.Lock()
        self.known_failures: dict[str, float] = {}

    def run(
        self,
        request: dict[str, Any],
        seconds: float,
        *,
        used: float = 0.0,
        wait: float | None = None,
    ) -> dict[str, Any]:
        """Run a request and return the reply, or `{"undecided": reason}` without one in time.

        `used` are the seconds that the comparison has used already: the one with the least comes
        first. `wait` is the maximum time for a free worker, by default `settings.start_seconds`.
        """
        if seconds <= 0:
            return {"undecided": "no time is left", "seconds": 0.0}
        # A hash keeps the table of failures small: a request may contain a long schema.
        key = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
        if self.known_failures.get(key, 0.0) >= seconds:
            return {"undecided": "it exceeded its time limit before", "seconds": 0.0}
        longest = self.settings.start_seconds
        timeout = longest if wait is None else min(wait, longest)
        if not self.slots.acquire(used=used, timeout=timeout):
            return {"undecided": "no worker was free in time", "seconds": 0.0}
        try:
            reply = self._run_once(request, seconds)
        except WorkerError as error:
            LOGGER.warning("%s; the compared answers count as different", error)
            return {"undecided": str(error), "seconds": 0.0}
        finally:
            self.slots.release()
        if reply and reply.get("cpu_exhausted"):
            self._record_failure(key, seconds)
        return reply or {"undecided": "the worker process exited", "seconds": seconds}

    def _record_failure(self, key: str, seconds: float) -> None:
        """Record a request that used up its CPU time, so that it is not repeated in vain."""
        with self.lock:
            self.known_failures[key] = seconds
            if len(self.known_failures) > MAX_KNOWN_FAILURES:
                self.known_failures.pop(next(iter(self.known_failures)))

    def _run_once(self, request: dict[str, Any], seconds: float) -> dict[str, Any] | None:
        worker = self._acquire()
        reply: dict[str, Any] | None = None
        try:
            reply = worker.run(request, seconds)
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
        """Close the idle workers; new ones start when needed."""
        with self.lock:
            idle, self.idle = self.idle, []
        for worker in idle:
            worker.close()


def get_worker_pool(settings: Settings) -> WorkerPool:
    """The pool of this process for the settings; closed at exit, not shared with forks."""
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


# A forked child must not use the pipes of its parent.
os.register_at_fork(after_in_child=_cached_pool.cache_clear)
