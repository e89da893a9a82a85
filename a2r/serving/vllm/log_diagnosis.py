"""The decisive line of a server's log: the one that says why it could not go on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

MAX_LINE_CHARACTERS = 600
# Some 20 tracebacks of vLLM's, which are long and come up to three times an error.
TAIL_BYTES = 1 << 19

COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
PREFIX = re.compile(
    r"^(?:\([^()]*\bpid=\d+\)\s?|\[rank\d+\]:\s?"
    r"|(?:DEBUG|INFO|WARNING|ERROR|CRITICAL) \d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? \[?[\w./]+:\d+\]\s?"
    r"|\s*\| )"
)
EXCEPTION = re.compile(
    r"^[A-Za-z_][\w.]*(?:Error|Exception|Failed|Timeout|Unsupported\w*)(?::\s*(?P<message>.*))?$"
)
ARGUMENTS = re.compile(r"^[\w./-]+: error: .+$")
NO_MODULE = re.compile(r"^\S+: (?:Error while finding module specification|No module named) .+$")
FATAL = re.compile(
    r"^(?:Fatal Python error: .+|Segmentation fault.*|Killed|Aborted.*|Bus error.*)$"
)
VALIDATION = re.compile(r"\d+ validation errors? for ")
VALUE_ERROR = re.compile(r"^\s+Value error, (?P<message>.+?)(?: \[type=\w+.*)?$")
# What only says that something else went wrong before, or that somebody hung up.
GENERIC = re.compile(
    r"Engine core initialization failed|EngineCore encountered an issue|EngineDeadError"
    r"|WorkerProc initialization failed|[Ee]ngine process failed to start"
    r"|Engine loop is not running|died unexpectedly|Executor failed|engine_core died"
    r"|CancelledError|BrokenPipeError|ConnectionResetError|ConnectionRefusedError|EOFError"
    r"|ClientConnect\w*Error|DistBackendError|DistNetworkError"
)
WRAPPED = re.compile(r"Worker failed with error ['\"](?P<message>.+)['\"], please check the stack")
# What names the cause itself: it goes before whatever fails in its wake in other processes.
CAUSE = re.compile(
    r"out of memory|OutOfMemory|No available memory|KV cache|for kv|GPU memory utilization"
    r"|Address already in use|address already in use|is not a valid model identifier|gated repo"
    r"|max_model_len|[Rr]easoning parser|No module named|couldn't connect to|cannot find the "
    r"requested files|Repo id must be|Cannot find an appropriate cached snapshot"
)
HINTS = (
    (
        r"No module named '?vllm",
        "vLLM is not installed there: pip install 'a2r-reasoning[vllm]', or name the interpreter "
        "of an environment that has it in vllm.python",
    ),
    (r"gated repo", "ask for access on the hub, and set HF_TOKEN"),
    (
        r"appropriate cached snapshot|is not a valid model identifier|couldn't connect to"
        r"|cannot find the requested files|Repo id must be|Invalid repository ID",
        "the model is neither a folder nor in the cache nor on the hub",
    ),
)


def find_error_line(log: str) -> str | None:
    """The line of a vLLM log that says why the server ended, or `None` where none does.

    The last exception that names a cause goes first, then the last exception that is not the
    echo of another process's, then a crash of the interpreter, then any exception at all.
    """
    lines = [_bare(line) for line in log.splitlines()]
    found = [
        (rank, _whole(lines, number))
        for number, line in enumerate(lines)
        if (rank := _rank(line)) is not None
    ]
    if not found:
        return None
    best = min(rank for rank, _ in found)
    line = next(text for rank, text in reversed(found) if rank == best)
    return line if len(line) <= MAX_LINE_CHARACTERS else f"{line[: MAX_LINE_CHARACTERS - 1]}…"


def last_log_line(log: str) -> str | None:
    """The last line of a log with anything in it."""
    lines = (_bare(line).strip() for line in reversed(log.splitlines()))
    return next((line[:MAX_LINE_CHARACTERS] for line in lines if line), None)


def suggest_fix(line: str) -> str | None:
    """What to do about a decisive line, where it does not say so itself."""
    return next((advice for pattern, advice in HINTS if re.search(pattern, line)), None)


def read_tail(path: Path, start: int = 0) -> str:
    """The end of a log file, from byte `start` at the earliest; empty where it is not there."""
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(start, size - TAIL_BYTES))
            return stream.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _bare(line: str) -> str:
    """A line without colours and without what vLLM puts before it; indentation stays."""
    line = COLOURS.sub("", line).rpartition("\r")[2].rstrip()
    while match := PREFIX.match(line):
        line = line[match.end() :]
    return line


def _rank(line: str) -> int | None:
    """How much a line tells, 0 most; `None` for one that is no error."""
    if ARGUMENTS.match(line) or NO_MODULE.match(line):
        return 0
    if FATAL.match(line):
        return 3
    if not EXCEPTION.match(line):
        return None
    if WRAPPED.search(line):
        return 2
    if GENERIC.search(line):
        return 4
    return 0 if CAUSE.search(line) else 1


def _whole(lines: Sequence[str], number: int) -> str:
    """An error with what its next lines add, or what it wraps."""
    line = lines[number].strip()
    if wrapped := WRAPPED.search(line):
        return wrapped["message"]
    following = lines[number + 1] if number + 1 < len(lines) else ""
    if VALIDATION.search(line) and (told := VALUE_ERROR.match(following)):
        return f"ValueError: {told['message']}"
    if VALIDATION.search(line) and following.strip():
        more = lines[number + 2].strip() if number + 2 < len(lines) else ""
        return f"{line}: {following.strip()}: {more}".removesuffix(": ")
    if line.endswith("gated repo."):
        return f"{line} {following.strip()}"
    return line
