"""Runs of every graph, killed with SIGKILL at random times and resumed.

`python -m benchmarks.crash_recovery [KILLS]` checks against the request log of the server:
committed samples are never requested again, the extra calls over uninterrupted runs are at most
those in flight when killed, and the results are equal. Exits with 1 if a check fails.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.support.crash_recovery import crash_runs


def main() -> int:
    """Kill runs and print what happened; return 1 if a check failed."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory() as folder:
        report = crash_runs(kills, Path(folder))
    print(report.summary())
    next_nodes = Counter(
        kill.next[0].split()[0] if kill.next else "start" for kill in report.crashes
    )
    print(f"next nodes when killed: {dict(next_nodes)}")
    for failure in report.complaints:
        print(f"FAILED: {failure}")
    return 1 if report.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
