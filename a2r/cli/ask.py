"""`a2r ask`: one question, one answer on stdout, everything else on stderr."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from a2r._internal.logging import configure_logging
from a2r._internal.text import strip_control_characters
from a2r.cli.options import ConfigOption, SetOption, StoreOption
from a2r.config import EMBEDDED, LoadedConfig, default_config_name, load_config
from a2r.errors import InterruptedRunError, NoAnswerError, QuestionError

if TYPE_CHECKING:
    from a2r.cli.resume import ResumeOptions, ThreadSession
    from a2r.result import Result
    from a2r.solver import A2R

NO_ANSWER = 4
MAX_PATH_CHARACTERS = 1024


class Show(StrEnum):
    """What goes to stdout."""

    answer = "answer"
    solution = "solution"


class LogFormat(StrEnum):
    """The form of the log lines."""

    console = "console"
    json = "json"


class LogLevel(StrEnum):
    """The least level that is logged."""

    debug = "debug"
    info = "info"
    warning = "warning"
    error = "error"


def ask(
    question: Annotated[
        str | None,
        typer.Argument(help="The question; '-' reads stdin, the name of a file reads that file."),
    ] = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Read the question from this file.")
    ] = None,
    show: Annotated[Show, typer.Option(help="Print the answer or the whole solution.")] = (
        Show.answer
    ),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the full result as JSON (see 'a2r schema').")
    ] = False,
    thread: Annotated[
        str | None, typer.Option(metavar="ID", help="Keep the run, under this name.")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with the unfinished run of --thread, or without it with the most recent "
            "one; ask where there is none.",
        ),
    ] = False,
    store: StoreOption = None,
    log_format: Annotated[
        LogFormat | None,
        typer.Option(help="Log lines on stderr instead of the live display."),
    ] = None,
    log_level: Annotated[
        LogLevel, typer.Option(help="The least level that is logged; debug logs model text.")
    ] = LogLevel.info,
) -> None:
    """Ask a question.

    Exit codes: 0 an answer, 2 usage or config, 3 endpoints unreachable, 4 no answer,
    130 interrupted.
    """
    from a2r.workflow.inputs import validate_question

    told = question is not None or file is not None or not resume
    text = validate_question(_question(question, file)) if told else None
    keeping = _resume_options(thread, store, resume=resume)
    loaded = load_config(config or default_config_name(), assignments=assignments or [])
    live = log_format is None and sys.stderr.isatty()
    if not live:
        configure_logging(log_format.value if log_format else "console", log_level.value)
    try:
        result = asyncio.run(_ask(loaded, text, keeping, live=live))
    except (KeyboardInterrupt, asyncio.CancelledError) as error:
        raise InterruptedRunError from error
    except NoAnswerError as error:
        if as_json:
            print(error.result.model_dump_json(indent=2))
        raise
    _print(result, show, as_json=as_json)
    for warning in result.warnings:
        print(f"a2r: {strip_control_characters(warning)}", file=sys.stderr)
    if result.answer is None:
        raise typer.Exit(NO_ANSWER)


def _resume_options(thread: str | None, store: str | None, *, resume: bool) -> ResumeOptions | None:
    if thread is None and store is None and not resume:
        return None
    from a2r.cli.resume import resume_options

    return resume_options(thread, store, resume=resume)


async def _ask(
    loaded: LoadedConfig, question: str | None, keeping: ResumeOptions | None, *, live: bool
) -> Result:
    from a2r.cli.resume import ThreadSession, open_session

    _cancel_on_termination()
    if keeping is None:
        return await _solve(loaded, question, ThreadSession(), live=live)
    async with open_session(keeping, question) as kept:
        return kept.result or await _solve(loaded, question, kept, live=live)


async def _solve(
    loaded: LoadedConfig, question: str | None, kept: ThreadSession, *, live: bool
) -> Result:
    from a2r.solver import A2R

    begun = kept.run.config if kept.run is not None else None
    if begun not in (None, loaded.name):
        told = f"the run was begun with config {begun!r} and goes on with {loaded.name!r}"
        print(f"a2r: {strip_control_characters(told)}", file=sys.stderr)
    with A2R(loaded, checkpointer=kept.saver) as solver:
        if EMBEDDED not in loaded.config.explorer.endpoints:
            await solver.workflow.models.probe("explorer")
        await solver.warm_up()
        if live:
            return await _follow(solver, question, kept)
        kept.log()
        if kept.run is not None:
            return await solver.aresume(kept.config)
        return await solver.aask(question or "", kept.config)


def _cancel_on_termination() -> None:
    """Let SIGTERM end the run in order, as Ctrl-C does: requests closed, the terminal restored."""
    task = asyncio.current_task()
    # Where loops take no signal handlers, the default action holds.
    with suppress(NotImplementedError):
        if task is not None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


async def _follow(solver: A2R, question: str | None, kept: ThreadSession) -> Result:
    from a2r.cli.live_display import LiveDisplay
    from a2r.events import RunFinished

    result: Result | None = None
    console = Console(stderr=True)
    for line in kept.lines():
        console.print(Text(strip_control_characters(line)))
    with LiveDisplay(solver.config, console) as display:
        for earlier in kept.events():
            display.show(earlier)
        async for event in solver.astream(None if kept.run else question, kept.config):
            display.show(event)
            if isinstance(event, RunFinished):
                result = event.result
    if result is None:
        raise RuntimeError("the run ended without a result")
    return result


def _question(argument: str | None, file: Path | None) -> str:
    if (argument is None) == (file is None):
        raise QuestionError("give one question: an argument, '-' for stdin, or --file")
    try:
        if file is not None:
            return file.read_text("utf-8").rstrip("\r\n")
        if argument == "-" and sys.stdin is None:
            raise QuestionError("standard input is closed")
        if argument == "-":
            return sys.stdin.buffer.read().decode("utf-8").rstrip("\r\n")
        if argument and len(argument) < MAX_PATH_CHARACTERS and _is_file(argument):
            return Path(argument).read_text("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise QuestionError(f"the question is not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise QuestionError(f"{file or argument}: {error.strerror}") from error
    return argument or ""


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except ValueError:
        return False


def _print(result: Result, show: Show, *, as_json: bool) -> None:
    if as_json:
        print(result.model_dump_json(indent=2))
    elif show is Show.solution:
        print(strip_control_characters(result.text))
    elif result.answer is not None:
        print(strip_control_characters(result.answer))
