"""The command line: `a2r ask`, `answers`, `check`, `config`, `graph`, `models`, `schema`, `up`."""

from __future__ import annotations

import sys

INTERRUPTED = 130


def main() -> None:
    """Run the command line."""
    try:
        # Imported here, so that an interrupt while LangChain loads ends like any other.
        from a2r.cli.app import run

        run()
    except KeyboardInterrupt:
        print("a2r: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
