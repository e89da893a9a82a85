"""The `a2r` command line."""

from __future__ import annotations

import sys

from a2r.errors import InterruptedRunError


def main() -> None:
    """Run the command line."""
    try:
        # Imported here so that Ctrl-C during the import of LangChain exits without a traceback.
        from a2r.cli.app import run

        run()
    except KeyboardInterrupt:
        print("a2r: interrupted", file=sys.stderr)
        sys.exit(InterruptedRunError.exit_code)
