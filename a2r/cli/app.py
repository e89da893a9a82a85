"""The command line's root: its commands, and how every error leaves it."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from a2r._internal.text import strip_control_characters
from a2r._version import __version__
from a2r.cli.answers import answers_app
from a2r.cli.ask import ask
from a2r.cli.check import check
from a2r.cli.config import config_app
from a2r.cli.graph import graph
from a2r.cli.keys import keys_app
from a2r.cli.mcp import mcp
from a2r.cli.models import models_app
from a2r.cli.replay import replay
from a2r.cli.runs import runs, show
from a2r.cli.schema import schema
from a2r.cli.serve import serve
from a2r.cli.up import up
from a2r.errors import A2RError

app = typer.Typer(
    name="a2r",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(ask)
app.command()(check)
app.command()(graph)
app.command()(mcp)
app.command()(replay)
app.command()(runs)
app.command()(schema)
app.command()(serve)
app.command()(show)
app.command()(up)
app.add_typer(answers_app, name="answers")
app.add_typer(config_app, name="config")
app.add_typer(keys_app, name="keys")
app.add_typer(models_app, name="models")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"a2r {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", is_eager=True, callback=_version
        ),
    ] = False,
) -> None:
    """Sample with a small model; synthesize with a bigger one only where the samples disagree."""


def run() -> None:
    """Run the command line; every error becomes one line on stderr and an exit code."""
    # A closed stream is None, to which print() would write on the other one.
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115 - open until exit
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115 - open until exit
    for stream in (sys.stdout, sys.stderr):
        # What a model writes may hold what the terminal's encoding cannot.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        app()
    except A2RError as error:
        sys.exit(_say(str(error), error.exit_code))
    except OSError as error:
        sys.exit(_say(f"{error.filename or 'output'}: {error.strerror or error}", 1))
    except Exception as error:
        if os.environ.get("A2R_TRACEBACK"):
            raise
        sys.exit(
            _say(
                f"internal error: {_error_message(error)} (A2R_TRACEBACK=1 shows the way there)", 1
            )
        )


def _error_message(error: Exception) -> str:
    """What went wrong and where: the place may be in a graph or gate of the user's own."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} at {place.filename}:{place.lineno}, in {place.name}"


def _say(message: str, code: int) -> int:
    print(f"a2r: {strip_control_characters(message)}", file=sys.stderr)
    return code
