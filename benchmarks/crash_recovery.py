"""Runs of every graph, killed with -9 at random moments and resumed: nothing is bought twice.

`python -m benchmarks.crash_recovery [KILLS]`: no sample that was committed is asked for again, the calls
beyond those of uninterrupted runs are at most those in flight at the kills, by the books of the
server, and what comes out is the same. Exits with 1 where one of them does not hold.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.support.crash_recovery import kill_runs


def main() -> int:
    """Kill, and say what was seen."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory() as folder:
        done = kill_runs(kills, Path(folder))
    print(done.told())
    where = Counter(kill.next[0].split()[0] if kill.next else "start" for kill in done.kills)
    print(f"next nodes at the kills: {dict(where)}")
    for complaint in done.complaints:
        print(f"FAILED: {complaint}")
    return 1 if done.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
