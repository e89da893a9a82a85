"""Starting Python processes that a test sends signals to."""

from __future__ import annotations

import signal
import subprocess
import sys


def started(*arguments: str, interpreter: str = sys.executable) -> subprocess.Popen[str]:
    """A Python process that takes SIGINT, also where the tests run in a shell's background."""
    return subprocess.Popen(
        [interpreter, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
