"""The command line in processes forked from a process with all imports done.

Importing LangChain takes seconds, which is too slow for tests of many processes.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

PRELOADED = [
    "a2r.cli.live_display",
    "a2r.cli.app",
    "a2r.cli.run_report",
    "a2r.cli.resume",
    "a2r.solver",
    "a2r.graphs.cascade",
    "a2r.graphs.rounds",
    "a2r.graphs.select",
    "a2r.graphs.self_consistency",
    "a2r.graphs.single",
    "a2r.graphs.two_stage",
    "a2r.inference.transport.http_sessions",
    "langchain_openai",
    "langgraph.checkpoint.sqlite.aio",
]
SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class CompletedCommand:
    """The exit code and the output of a command."""

    code: int | None
    out: str
    err: str


def start_command(arguments: list[str], output: Path, **environment: str) -> BaseProcess:
    """A started process that runs `a2r` with the arguments; stdout and stderr go to files."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=_run, args=(arguments, str(output), environment))
    process.start()
    return process


def run_command(*arguments: str, **environment: str) -> CompletedCommand:
    """Run a command and wait for its end."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out"
        process = start_command(list(arguments), output, **environment)
        process.join(SECONDS)
        assert process.exitcode is not None, f"{arguments} did not exit"
        errors = Path(f"{output}.err")
        return CompletedCommand(
            code=process.exitcode, out=output.read_text(), err=errors.read_text()
        )


def _run(arguments: list[str], output: str, environment: dict[str, str]) -> None:
    for number, name in ((1, output), (2, f"{output}.err")):
        opened = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(opened, number)
        os.close(opened)
    os.environ.update(environment)
    sys.argv = ["a2r", *arguments]
    from a2r.cli.app import run

    run()
