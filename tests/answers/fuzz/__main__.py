"""The command line of the fuzz: `python -m tests.answers.fuzz [--minutes M] [--seed N]`."""

from __future__ import annotations

import argparse
import sys
import time

from tests.answers.fuzz.runner import beyond_limit, fuzz


def main() -> int:
    """Print the tallies and examples; return 1 if a class is beyond its limit."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=time.time_ns())
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    tallies = fuzz(arguments.seed, seconds=60 * arguments.minutes)
    print(f"{'class':24}{'tried':>8}{'false':>8}{'missed':>8}{'share':>8}")
    for name, tally in tallies.items():
        counts = f"{tally.tried:>8}{tally.false_count:>8}{tally.missed_count:>8}"
        print(f"{name:24}{counts}{tally.missed_share:>8.3f}")
    for name, tally in tallies.items():
        for what, pairs in (("false", tally.false), ("missed", tally.missed)):
            for pair in pairs:
                print(f"{name}, {what}: {pair.first!r} | {pair.second!r}")
    return 1 if beyond_limit(tallies) else 0


sys.exit(main())
