"""`a2r ask`: the answer to a question on stdout, everything else on stderr."""

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
from a2r.cli.options import (
    ConfigOption,
    LiveLogFormatOption,
    LogFormat,
    LogLevel,
    LogLevelOption,
    SetOption,
    StoreOption,
)
from a2r.config import LoadedConfig, default_config_name, load_config
from a2r.errors import InterruptedRunError, NoAnswerError, QuestionError

if TYPE_CHECKING:
    from a2r.cli.resume import ResumeOptions, ThreadSession
    from a2r.result import Result
    from a2r.solver import A2R

MAX_PATH_CHARACTERS = 1024


class Show(StrEnum):
    """Output on stdout."""

    answer = "answer"
    solution = "solution"


def ask(
    question: Annotated[
        str | None,
        typer.Argument(help="The question, the path of a file with it, or '-' for stdin."),
    ] = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Read the question from this file.")
    ] = None,
    show: Annotated[Show, typer.Option(help="Print the answer or the full solution.")] = (
        Show.answer
    ),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the full result as JSON (see 'a2r schema').")
    ] = False,
    thread: Annotated[
        str | None, typer.Option(metavar="ID", help="Persist the run under this thread ID.")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Resume the unfinished run of --thread, or the most recent one; start a new run "
            "if there is none.",
        ),
    ] = False,
    store: StoreOption = None,
    log_format: LiveLogFormatOption = None,
    log_level: LogLevelOption = LogLevel.info,
) -> None:
    """Ask a question.

    Exit codes: 0: answer, 2: usage or config error, 3: endpoints unreachable, 4: no answer,
    130: interrupted.
    """
    only_resume = resume and question is None and file is None
    text = None if only_resume else _read_question(question, file)
    options = _resume_options(thread, store, resume=resume)
    loaded = load_config(config or default_config_name(), assignments=assignments or [])
    live = log_format is None and sys.stderr.isatty()
    if not live:
        configure_logging((log_format or LogFormat.console).value, log_level.value)
    try:
        result = asyncio.run(_ask(loaded, text, options, live=live))
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
        raise typer.Exit(NoAnswerError.exit_code)


def _resume_options(thread: str | None, store: str | None, *, resume: bool) -> ResumeOptions | None:
    if thread is None and store is None and not resume:
        return None
    from a2r.cli.resume import resume_options

    return resume_options(thread, store, resume=resume)


async def _ask(
    loaded: LoadedConfig, question: str | None, options: ResumeOptions | None, *, live: bool
) -> Result:
    from a2r.cli.resume import ThreadSession, open_session

    _cancel_on_termination()
    if options is None:
        return await _solve(loaded, question, ThreadSession(), live=live)
    async with open_session(options, question) as session:
        return session.result or await _solve(loaded, question, session, live=live)


async def _solve(
    loaded: LoadedConfig, question: str | None, session: ThreadSession, *, live: bool
) -> Result:
    from a2r.solver import A2R

    previous = session.run.config if session.run is not None else None
    if previous not in (None, loaded.name):
        message = f"the run was started with config {previous!r} and resumes with {loaded.name!r}"
        print(f"a2r: {strip_control_characters(message)}", file=sys.stderr)
    with A2R(loaded, checkpointer=session.saver) as solver:
        await solver.warm_up()
        if live:
            return await _display(solver, question, session)
        session.log()
        if session.run is not None:
            return await solver.aresume(session.config)
        return await solver.aask(question or "", session.config)


def _cancel_on_termination() -> None:
    """Cancel the run on SIGTERM as on Ctrl-C: close requests and restore the terminal."""
    task = asyncio.current_task()
    # Event loops without signal handlers (Windows) keep the default action.
    with suppress(NotImplementedError):
        if task is not None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


async def _display(solver: A2R, question: str | None, session: ThreadSession) -> Result:
    from a2r.cli.live_display import LiveDisplay
    from a2r.events import RunFinished

    result: Result | None = None
    console = Console(stderr=True)
    for line in session.lines():
        console.print(Text(strip_control_characters(line)))
    with LiveDisplay(solver.config, console) as display:
        for earlier in session.events():
            display.show(earlier)
        async for event in solver.astream(None if session.run else question, session.config):
            display.show(event)
            if isinstance(event, RunFinished):
                result = event.result
    if result is None:
        raise RuntimeError("the run ended without a result")
    return result


def _read_question(argument: str | None, file: Path | None) -> str:
    """Return the question; an empty one is refused here, before a model is loaded for it.

    Raises:
        QuestionError: there is no question or more than one, or it cannot be read.
    """
    if (argument is None) == (file is None):
        raise QuestionError("give one question: an argument, '-' for stdin, or --file")
    text = _read_text(argument or "", file)
    if not text.strip():
        raise QuestionError("the question is empty")
    return text


def _read_text(argument: str, file: Path | None) -> str:
    try:
        if file is not None:
            return file.read_text("utf-8").rstrip("\r\n")
        if argument == "-" and sys.stdin is None:
            raise QuestionError("standard input is closed")
        if argument == "-":
            return sys.stdin.buffer.read().decode("utf-8").rstrip("\r\n")
        if len(argument) < MAX_PATH_CHARACTERS and _is_file(argument):
            return Path(argument).read_text("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise QuestionError(f"the question is not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise QuestionError(f"{file or argument}: {error.strerror}") from error
    return argument


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
