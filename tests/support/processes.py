"""Start Python processes that receive signals from a test."""

from __future__ import annotations

import signal
import subprocess
import sys


def started(*arguments: str, interpreter: str = sys.executable) -> subprocess.Popen[str]:
    """Start a Python process that handles SIGINT, even if the tests run in the background."""
    return subprocess.Popen(
        [interpreter, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
