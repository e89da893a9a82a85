"""A Python that has imported everything already, and the commands of the environment on it.

Importing LangChain takes seconds of every process that does it. `python()` and `a2r()` are
programs in place of those in the environment's `bin`: they ask a server for a fork of a process
that has imported what `a2r` imports and has done nothing else, hand it their arguments, folder,
variables and standard streams, pass on the signals that they get, and end as it ends.

What is tested here is a process like any other, but for its start: a test of the start itself, of
what is imported, or of an early signal takes `sys.executable`.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
PROGRAMS = ("a2r", "python")
HARMLESS = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")


def python() -> str:
    """The interpreter; what it does not know to do, the real one does in its place."""
    return str(bin_folder() / "python")


def a2r() -> str:
    """The program `a2r`."""
    return str(bin_folder() / "a2r")


def search_path(path: str) -> str:
    """A PATH on which the programs come before the environment's, and those before `path`."""
    return f"{bin_folder()}:{Path(sys.executable).parent}:{path}"


@cache
def bin_folder() -> Path:
    """A folder with the programs; the server behind them runs from now on."""
    # A short name, since the address of a socket has at most a hundred characters.
    folder = tempfile.TemporaryDirectory(prefix="a2r-")
    path = Path(folder.name)
    variables = {
        name: value
        for name, value in os.environ.items()
        if name.startswith("PYTHON") and name not in HARMLESS
    }
    script = (HERE / "client.py").read_text().replace("= {}\n", f"= {variables!r}\n")
    for name in PROGRAMS:
        program = path / name
        program.write_text(f"#!{sys.executable} -IS\n{script}")
        program.chmod(0o755)
    server = subprocess.Popen(
        [sys.executable, "-P", str(HERE / "server.py"), str(path / "socket")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n", "the server of forked processes does not start"
    server.stdout.close()

    def end() -> None:
        # It ends with its stdin, and with it every process of it that is still there.
        assert server.stdin is not None
        server.stdin.close()
        server.wait()
        folder.cleanup()

    atexit.register(end)
    return path
