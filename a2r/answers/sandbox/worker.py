"""The worker process: `python -m a2r.answers.sandbox.worker`, started by `worker_pool`.

A supervisor reads requests from stdin, one JSON object per line, and passes each to a forked
child. If the child exceeds its limit of time, CPU or memory, the supervisor kills and replaces it,
and replies that the request is undecided. The supervisor itself evaluates nothing. It exits when
its stdin is closed, so it never outlives its parent.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import sys
import time
from dataclasses import dataclass
from typing import Any

from a2r.answers.errors import UndecidableError, ValuelessError
from a2r.answers.parsing.expression import Term, term_from_json
from a2r.answers.sandbox.exact_form import exact_form, has_steps
from a2r.answers.sandbox.json_repair import repaired_json
from a2r.answers.sandbox.numeric_fingerprint import fingerprint
from a2r.answers.sandbox.process_limits import limit_process
from a2r.answers.sandbox.program_form import program_form

# A killed child that used this share of its CPU limit was computing, not waiting for a CPU.
EXHAUSTED_SHARE = 0.7
# The limit on the clock, as a multiple of the CPU limit.
CLOCK_FACTOR = 2.0


@dataclass(kw_only=True)
class Child:
    """A forked child and the pipes to it."""

    pid: int
    request_pipe: int
    reply_pipe: int
    cpu_seconds: float = 0.0


class WorkerSupervisor:
    """Passes requests to a child process, and replaces it when it exceeds a limit."""

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self.child: Child | None = None

    def serve(self) -> None:
        """Reply to requests until stdin is closed."""
        for line in sys.stdin.buffer:
            request = json.loads(line)
            if request["task"] in ("latex", "verify"):
                self._load()
            self._send_reply({"started": True})
            self._send_reply(self._handle(line, request["seconds"]))
        self._kill()

    def _load(self) -> None:
        """Import the symbolic libraries in the supervisor, so that no child has to."""
        if "a2r.answers.sandbox.latex_fingerprint" not in sys.modules:
            self._kill()
            from a2r.answers.sandbox.latex_fingerprint import warm_up

            warm_up()

    def _send_reply(self, reply: dict[str, Any]) -> None:
        sys.stdout.buffer.write(json.dumps(reply).encode() + b"\n")
        sys.stdout.buffer.flush()

    def _handle(self, line: bytes, seconds: float) -> dict[str, Any]:
        child = self.child or self._fork()
        self.child = child
        try:
            _write_all(child.request_pipe, line)
            # The child exits at its CPU limit; the limit on the clock allows for a busy machine.
            reply = _read_line(child.reply_pipe, CLOCK_FACTOR * seconds)
        except (BrokenPipeError, EOFError):
            reply = None
        if reply is None:
            cpu_seconds = self._kill() - child.cpu_seconds
            exhausted = cpu_seconds >= EXHAUSTED_SHARE * seconds
            return {"undecided": f"not within {seconds:g} s", "cpu_exhausted": exhausted}
        message: dict[str, Any] = json.loads(reply)
        child.cpu_seconds = message.pop("cpu_seconds")
        return message

    def _fork(self) -> Child:
        request_out, request_in = os.pipe()
        reply_out, reply_in = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(request_in)
            os.close(reply_out)
            _compute(request_out, reply_in, self.memory)
        os.close(request_out)
        os.close(reply_in)
        return Child(pid=pid, request_pipe=request_in, reply_pipe=reply_out)

    def _kill(self) -> float:
        """Kill the child, if there is one, and return the CPU seconds that it used."""
        if self.child is None:
            return 0.0
        os.kill(self.child.pid, signal.SIGKILL)
        os.close(self.child.request_pipe)
        os.close(self.child.reply_pipe)
        _, _, usage = os.wait4(self.child.pid, 0)
        self.child = None
        return usage.ru_utime + usage.ru_stime


def _write_all(pipe: int, data: bytes) -> None:
    while data:
        data = data[os.write(pipe, data) :]


def _read_line(pipe: int, seconds: float) -> bytes | None:
    """A line from a pipe, or `None` if it does not arrive in time.

    Raises:
        EOFError: the pipe is closed.
    """
    deadline = time.monotonic() + seconds
    received = b""
    while not received.endswith(b"\n"):
        ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return None
        chunk = os.read(pipe, 1 << 16)
        if not chunk:
            raise EOFError
        received += chunk
    return received


def _compute(requests: int, replies: int, memory: int) -> None:
    """Run the child process: reply to each line under the limits; never returns."""
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(0, 1)
    os.dup2(0, 2)
    limit_process(memory)
    logging.disable(logging.CRITICAL)
    try:
        with os.fdopen(requests, "rb") as lines:
            for line in lines:
                reply = {**_reply(json.loads(line)), "cpu_seconds": time.process_time()}
                _write_all(replies, json.dumps(reply).encode() + b"\n")
    finally:
        os._exit(0)


def _reply(request: dict[str, Any]) -> dict[str, Any]:
    # The default action of the signal ends the process.
    signal.setitimer(signal.ITIMER_PROF, request["seconds"])
    try:
        return _handle_request(request)
    except ValuelessError as error:
        return {"undecided": str(error), "valueless": True}
    except UndecidableError as error:
        return {"undecided": str(error)}
    except (MemoryError, RecursionError, OverflowError, ArithmeticError) as error:
        return {"undecided": type(error).__name__}
    except Exception as error:  # noqa: BLE001
        # Libraries may raise anything on hostile input; the worker must survive it.
        return {"undecided": f"{type(error).__name__} while evaluating"}


def _handle_request(request: dict[str, Any]) -> dict[str, Any]:
    """The reply: the value, and for an expression with breaks the values at points only."""
    match request["task"]:
        case "latex":
            from a2r.answers.sandbox.latex_fingerprint import latex_fingerprint

            return {"value": latex_fingerprint(request["text"])}
        case "verify":
            from a2r.answers.sandbox.latex_fingerprint import verify_latex

            same = verify_latex(request["gold"], request["answer"], strict=request["strict"])
            return {"value": "same" if same else "different"}
        case "json":
            return {"value": repaired_json(request["text"])}
        case "program":
            return {"value": program_form(request["text"])}
        case "conforms":
            from a2r.answers.sandbox.schema_worker import validate_json

            return {"value": validate_json(request["text"], request["schema"])}
    return _compare_value(term_from_json(request["term"]), request["task"])


def _compare_value(term: Term, mode: str) -> dict[str, Any]:
    estimate = fingerprint(term, mode)
    exact = exact_form(term, mode) if has_steps(term) else None
    return {"value": estimate} if exact is None else {"value": exact, "estimate": estimate}


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    WorkerSupervisor(int(sys.argv[1])).serve()
