"""The options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

CONFIG_HELP = "A config's name or a YAML file. (default: A2R_CONFIG, else local)"

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
        help="A config to serve, by name or file. Repeatable. (default: every installed one)",
    ),
]
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="PATH|URL",
        help="Where runs are kept: a SQLite file, or postgresql://… (default: A2R_RUNS, else a "
        "file in the user's data folder)",
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
