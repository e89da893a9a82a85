"""A fork server with all imports done, and programs that run in its forks.

Importing LangChain takes seconds in each process. `python()` and `a2r()` are programs that
replace those in the environment's `bin`: they send a spawn request to a server, which forks a
process that has imported the modules of `a2r`. The request has the arguments, the folder, the
variables and the standard streams. They forward signals, and exit with the same exit code.

Except for its start, such a process is like any other. Tests of the start, of imports, or of
early signals use `sys.executable`.
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
IGNORED_VARIABLES = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")


def python() -> str:
    """The path of `python`; it runs the real interpreter for unsupported arguments."""
    return str(bin_folder() / "python")


def a2r() -> str:
    """The path of `a2r`."""
    return str(bin_folder() / "a2r")


def search_path(path: str) -> str:
    """A PATH with these programs, then those of the environment, then `path`."""
    return f"{bin_folder()}:{Path(sys.executable).parent}:{path}"


@cache
def bin_folder() -> Path:
    """Start the fork server; return the folder with the programs."""
    # A short name, since the path of a socket has at most a hundred characters.
    folder = tempfile.TemporaryDirectory(prefix="a2r-")
    path = Path(folder.name)
    variables = {
        name: value
        for name, value in os.environ.items()
        if name.startswith("PYTHON") and name not in IGNORED_VARIABLES
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
    assert server.stdout.readline() == b"ready\n", "the fork server did not start"
    server.stdout.close()

    def stop() -> None:
        # The server exits when its stdin is closed, and kills its forks.
        assert server.stdin is not None
        server.stdin.close()
        server.wait()
        folder.cleanup()

    atexit.register(stop)
    return path
