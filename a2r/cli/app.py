"""The typer application: the commands, and errors as exit codes."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from a2r._internal.text import strip_control_characters
from a2r._version import __version__
from a2r.cli.answers import answers_app
from a2r.cli.ask import ask
from a2r.cli.batch import batch
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
app.command()(batch)
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


def _print_version(requested: bool) -> None:
    if requested:
        print(f"a2r {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """Sample with a small model; synthesize with a bigger one only where the samples disagree."""


def run() -> None:
    """Run the command line; an error is printed as one line on stderr and sets the exit code."""
    # A closed stream is None: print(file=None) would write to stdout instead.
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115 - open until exit
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115 - open until exit
    for stream in (sys.stdout, sys.stderr):
        # The terminal's encoding may not support all characters of a model's text.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        try:
            app()
        finally:
            _flush_stdout()
    except A2RError as error:
        _exit(str(error), error.exit_code)
    except BrokenPipeError:
        # The reader needs no more output, as in `a2r runs | head`.
        sys.exit(A2RError.exit_code)
    except OSError as error:
        _exit(f"{error.filename or 'output'}: {error.strerror or error}", A2RError.exit_code)
    except Exception as error:
        if os.environ.get("A2R_TRACEBACK"):
            raise
        hint = "(set A2R_TRACEBACK=1 to see the traceback)"
        _exit(f"internal error: {_describe(error)} {hint}", A2RError.exit_code)


def _flush_stdout() -> None:
    """Write buffered output; after an error, drop it, so that Python's exit does not fail again.

    Raises:
        OSError: it cannot be written, such as to a full disk or a closed pipe.
    """
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def _describe(error: Exception) -> str:
    """Return the error and its location, which may be in a graph or gate of the user."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} at {frame.filename}:{frame.lineno}, in {frame.name}"


def _exit(message: str, code: int) -> NoReturn:
    print(f"a2r: {strip_control_characters(message)}", file=sys.stderr)
    sys.exit(code)
