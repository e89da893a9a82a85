"""Whether programs behave the same: each runs with the tests of the question, in its own process.

It is used only with `Settings(code="behaviour")`.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

from a2r.answers.sandbox.program_tests import parse_tests
from a2r.answers.settings import Settings

MAX_KNOWN_PROGRAMS = 256
ROOT = Path(__file__).resolve().parents[3]
CODE = (
    "import sys; sys.path.insert(0, {root!r}); "
    "from a2r.answers.sandbox.program_runner import main; main()"
)


@lru_cache(maxsize=MAX_KNOWN_PROGRAMS)
def passes_all_tests(program: str, question: str, settings: Settings) -> bool | None:
    """Whether a Python program passes all tests of a question; `None` without tests or in time.

    The process has limits of memory, CPU time, clock time, processes and files, and no network
    where the system can take it away (Linux); see `isolation`.
    """
    if parse_tests(question).count == 0:
        return None
    request = {
        "program": program,
        "question": question,
        "memory": settings.worker_bytes,
        "seconds": max(1, math.ceil(settings.cluster_seconds)),
    }
    with tempfile.TemporaryDirectory(prefix="a2r-") as folder:
        output = _run(json.dumps(request), folder, settings.cluster_seconds)
    if output is None:
        return None
    try:
        counts = json.loads(output)
    except ValueError:
        # The program does not compile, or ended its process.
        return False
    return bool(counts["passed"] == counts["tests"])


def _run(request: str, folder: str, seconds: float) -> bytes | None:
    """The output of the process, or `None` if it exceeds its time."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", CODE.format(root=str(ROOT))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env={"PATH": os.defpath},
        start_new_session=True,
    )
    try:
        return process.communicate(request.encode(), timeout=seconds + 1.0)[0]
    except subprocess.TimeoutExpired:
        return None
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, 9)
        process.communicate()
