"""The worker process: `python -m a2r.answers.sandbox.worker`, started by `a2r.answers.sandbox.worker_pool`.

A supervisor reads one request a line from stdin and hands it to a child that it forks; a child
that overruns its time, its CPU or its memory is killed and replaced, and the request answered as
undecided. The supervisor itself evaluates nothing. It ends when its stdin is closed, so that it
outlives no caller, however that one died.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import select
import signal
import sys
import time
from dataclasses import dataclass
from typing import Any

from a2r.answers.errors import UndecidableError, ValuelessError
from a2r.answers.parsing.expression import term_from_json
from a2r.answers.sandbox.numeric_fingerprint import fingerprint

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
HARD, PATIENCE = 0.7, 2.0
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass(kw_only=True)
class Child:
    """A forked child and the pipes to it."""

    pid: int
    to: int
    back: int
    cpu: float = 0.0


class WorkerSupervisor:
    """Hands requests to a child, and replaces it when it overruns."""

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self.child: Child | None = None

    def serve(self) -> None:
        """Answer requests until stdin ends."""
        for line in sys.stdin.buffer:
            request = json.loads(line)
            if request["do"] in ("latex", "verify"):
                self._load()
            self._send_reply({"begun": True})
            self._send_reply(self._handle(line, request["seconds"]))
        self._kill()

    def _load(self) -> None:
        """Import the symbolic libraries before a child is forked, so that none does it again."""
        if "a2r.answers.sandbox.latex_fingerprint" not in sys.modules:
            self._kill()
            from a2r.answers.sandbox.latex_fingerprint import warm_up

            warm_up()

    def _send_reply(self, reply: dict[str, Any]) -> None:
        sys.stdout.buffer.write(json.dumps(reply).encode() + b"\n")
        sys.stdout.buffer.flush()

    def _handle(self, line: bytes, seconds: float) -> dict[str, Any]:
        child = self.child or self._forked()
        self.child = child
        try:
            _write_all(child.to, line)
            # The child ends by itself at its limit of CPU; a busy machine is given more time.
            reply = _read_line(child.back, PATIENCE * seconds)
        except (BrokenPipeError, EOFError):
            reply = None
        if reply is None:
            spent = self._kill() - child.cpu
            return {"undecided": f"not within {seconds:g} s", "hard": spent >= HARD * seconds}
        answer: dict[str, Any] = json.loads(reply)
        child.cpu = answer.pop("cpu")
        return answer

    def _forked(self) -> Child:
        request_out, request_in = os.pipe()
        reply_out, reply_in = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(request_in)
            os.close(reply_out)
            _compute(request_out, reply_in, self.memory)
        os.close(request_out)
        os.close(reply_in)
        return Child(pid=pid, to=request_in, back=reply_out)

    def _kill(self) -> float:
        """End the child, if there is one; the CPU seconds that it used."""
        if self.child is None:
            return 0.0
        os.kill(self.child.pid, signal.SIGKILL)
        os.close(self.child.to)
        os.close(self.child.back)
        _, _, used = os.wait4(self.child.pid, 0)
        self.child = None
        return used.ru_utime + used.ru_stime


def _write_all(pipe: int, data: bytes) -> None:
    while data:
        data = data[os.write(pipe, data) :]


def _read_line(pipe: int, seconds: float) -> bytes | None:
    """A line from a pipe, or `None` if it does not come in time."""
    end = time.monotonic() + seconds
    received = b""
    while not received.endswith(b"\n"):
        ready, _, _ = select.select([pipe], [], [], max(0.0, end - time.monotonic()))
        if not ready:
            return None
        piece = os.read(pipe, 1 << 16)
        if not piece:
            raise EOFError
        received += piece
    return received


def _compute(requests: int, replies: int, memory: int) -> None:
    """The child: one answer for each line, under the limits; never returns."""
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(0, 1)
    os.dup2(0, 2)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.setrecursionlimit(MAX_RECURSION)
    logging.disable(logging.CRITICAL)
    sys.addaudithook(_guard)
    try:
        with os.fdopen(requests, "rb") as lines:
            for line in lines:
                reply = {**_reply(json.loads(line)), "cpu": time.process_time()}
                _write_all(replies, json.dumps(reply).encode() + b"\n")
    finally:
        os._exit(0)


def _guard(event: str, args: tuple[Any, ...]) -> None:
    """Refuse what no comparison of answers does: processes, sockets, writing to files."""
    if event in FORBIDDEN or event.startswith(FORBIDDEN_PREFIXES):
        raise PermissionError(f"{event} is not for a worker")
    if event == "open" and len(args) > 2 and isinstance(args[2], int) and args[2] & WRITING:
        raise PermissionError("a worker writes no file")


def _reply(request: dict[str, Any]) -> dict[str, Any]:
    # The signal's default action ends the process.
    signal.setitimer(signal.ITIMER_PROF, request["seconds"])
    try:
        return {"value": _handle_request(request)}
    except ValuelessError as error:
        return {"undecided": str(error), "valueless": True}
    except UndecidableError as error:
        return {"undecided": str(error)}
    except (MemoryError, RecursionError, OverflowError, ArithmeticError) as error:
        return {"undecided": type(error).__name__}
    except Exception as error:  # noqa: BLE001
        # Libraries raise anything on hostile input; none of it is worth the worker.
        return {"undecided": f"{type(error).__name__} while evaluating"}


def _handle_request(request: dict[str, Any]) -> str:
    match request["do"]:
        case "latex":
            from a2r.answers.sandbox.latex_fingerprint import latex_fingerprint

            return latex_fingerprint(request["text"])
        case "verify":
            from a2r.answers.sandbox.latex_fingerprint import verified

            same = verified(request["gold"], request["answer"], strict=request["strict"])
            return "same" if same else "different"
        case "conforms":
            from a2r.answers.sandbox.schema_worker import validate_json

            return validate_json(request["text"], request["schema"])
    return fingerprint(term_from_json(request["term"]), request["do"])


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    WorkerSupervisor(int(sys.argv[1])).serve()
