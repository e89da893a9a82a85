"""The command line: `a2r ask`, `config`, `graph`, `models`, `schema`."""

from a2r.cli.main import app, main

__all__ = ["app", "main"]
