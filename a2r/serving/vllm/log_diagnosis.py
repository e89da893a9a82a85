"""Find the error line in the log of a vLLM server."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

MAX_LINE_CHARACTERS = 600
# About 20 tracebacks of vLLM, which are long and repeat up to three times per error.
TAIL_BYTES = 1 << 19

ANSI_COLORS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
PREFIX = re.compile(
    r"^(?:\([^()]*\bpid=\d+\)\s?|\[rank\d+\]:\s?"
    r"|(?:DEBUG|INFO|WARNING|ERROR|CRITICAL) \d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? \[?[\w./]+:\d+\]\s?"
    r"|\s*\| )"
)
EXCEPTION = re.compile(
    r"^[A-Za-z_][\w.]*(?:Error|Exception|Failed|Timeout|Unsupported\w{0,60})(?::\s*(?P<message>.*))?$"
)
ARGUMENTS = re.compile(r"^[\w./-]+: error: .+$")
NO_MODULE = re.compile(r"^\S+: (?:Error while finding module specification|No module named) .+$")
FATAL = re.compile(
    r"^(?:Fatal Python error: .+|Segmentation fault.*|Killed|Aborted.*|Bus error.*)$"
)
VALIDATION = re.compile(r"\d validation errors? for ")
VALUE_ERROR = re.compile(r"^\s+Value error, (?P<message>.+?)(?: \[type=\w+.*)?$")
# Errors that only report an earlier error, or a closed connection.
GENERIC = re.compile(
    r"Engine core initialization failed|EngineCore encountered an issue|EngineDeadError"
    r"|WorkerProc initialization failed|[Ee]ngine process failed to start"
    r"|Engine loop is not running|died unexpectedly|Executor failed|engine_core died"
    r"|CancelledError|BrokenPipeError|ConnectionResetError|ConnectionRefusedError|EOFError"
    r"|ClientConnect\w{0,40}Error|DistBackendError|DistNetworkError"
)
WRAPPED = re.compile(
    r"Worker failed with error ['\"](?P<message>(?:(?!Worker failed with error ).)+)['\"],"
    r" please check the stack"
)
# Errors that name the cause. They have priority over the errors of other processes that follow.
CAUSE = re.compile(
    r"out of memory|OutOfMemory|No available memory|KV cache|for kv|GPU memory utilization"
    r"|Address already in use|address already in use|is not a valid model identifier|gated repo"
    r"|max_model_len|[Rr]easoning parser|No module named|couldn't connect to|cannot find the "
    r"requested files|Repo id must be|Cannot find an appropriate cached snapshot"
)
HINTS = (
    (
        r"No module named '?vllm",
        "vLLM is not installed in this environment: pip install 'a2r-reasoning[vllm]', or set "
        "vllm.python to an interpreter with vLLM",
    ),
    (r"gated repo", "request access on the hub, and set HF_TOKEN"),
    (
        r"appropriate cached snapshot|is not a valid model identifier|couldn't connect to"
        r"|cannot find the requested files|Repo id must be|Invalid repository ID",
        "the model was found neither as a folder, nor in the cache, nor on the hub",
    ),
)


def find_error_line(log: str) -> str | None:
    """The line of a vLLM log that explains why the server exited; `None` if there is none.

    Priority: the last exception that names a cause, the last exception that does not only report
    the error of another process, a wrapped exception, a crash of the interpreter, any exception.
    """
    lines = [_strip_prefix(line) for line in log.splitlines()]
    errors = [
        (priority, _complete_error(lines, index))
        for index, line in enumerate(lines)
        if (priority := _priority(line)) is not None
    ]
    if not errors:
        return None
    best = min(priority for priority, _ in errors)
    line = next(text for priority, text in reversed(errors) if priority == best)
    return line if len(line) <= MAX_LINE_CHARACTERS else f"{line[: MAX_LINE_CHARACTERS - 1]}…"


def last_log_line(log: str) -> str | None:
    """The last line of a log that is not empty."""
    lines = (_strip_prefix(line).strip() for line in reversed(log.splitlines()))
    return next((line[:MAX_LINE_CHARACTERS] for line in lines if line), None)


def suggest_fix(line: str) -> str | None:
    """A remedy for an error line that does not state one itself; `None` if unknown."""
    return next((hint for pattern, hint in HINTS if re.search(pattern, line)), None)


def read_tail(path: Path, start: int = 0) -> str:
    """The last `TAIL_BYTES` of a log file, not before byte `start`; empty if there is no file."""
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(start, size - TAIL_BYTES))
            return stream.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _strip_prefix(line: str) -> str:
    """The line without colors and without vLLM's prefixes; indentation is kept."""
    line = ANSI_COLORS.sub("", line).rpartition("\r")[2].rstrip()
    while match := PREFIX.match(line):
        line = line[match.end() :]
    return line


def _priority(line: str) -> int | None:
    """The priority of an error line, 0 is highest; `None` for other lines."""
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


def _complete_error(lines: Sequence[str], index: int) -> str:
    """An error line with the details of the following lines, or the error that it wraps."""
    line = lines[index].strip()
    if wrapped := WRAPPED.search(line):
        return wrapped["message"]
    following = lines[index + 1] if index + 1 < len(lines) else ""
    if VALIDATION.search(line) and (value_error := VALUE_ERROR.match(following)):
        return f"ValueError: {value_error['message']}"
    if VALIDATION.search(line) and following.strip():
        detail = lines[index + 2].strip() if index + 2 < len(lines) else ""
        return f"{line}: {following.strip()}: {detail}".removesuffix(": ")
    if line.endswith("gated repo."):
        return f"{line} {following.strip()}"
    return line
