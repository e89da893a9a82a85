"""Options shared by several commands."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

CONFIG_HELP = "A config's name or a YAML file. (default: A2R_CONFIG, else local)"


class LogFormat(StrEnum):
    """Format of the log lines."""

    console = "console"
    json = "json"


class LogLevel(StrEnum):
    """Lowest level that is logged."""

    debug = "debug"
    info = "info"
    warning = "warning"
    error = "error"


ConfigArgument = Annotated[str | None, typer.Argument(metavar="NAME|PATH", help=CONFIG_HELP)]
ConfigOption = Annotated[
    str | None,
    typer.Option("--config", "-c", metavar="NAME|PATH", help=CONFIG_HELP),
]
ConfigsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--config",
        "-c",
        metavar="NAME|PATH",
        help="A config to serve, by name or file. Repeatable. (default: all shipped configs)",
    ),
]
LiveLogFormatOption = Annotated[
    LogFormat | None,
    typer.Option("--log-format", help="Print log lines on stderr instead of the live display."),
]
LogFormatOption = Annotated[LogFormat, typer.Option("--log-format", help="Log format.")]
LogLevelOption = Annotated[
    LogLevel,
    typer.Option("--log-level", help="Log level. Model text is logged at debug only."),
]
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="PATH|URL",
        help="Run store: a SQLite file or a postgresql:// URL. (default: A2R_RUNS, else a file in "
        "the user's data folder)",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a config value, as in explorer.samples=8. Repeatable.",
    ),
]
