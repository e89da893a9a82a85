"""`a2r check`: whether a config would work, by asking each of its endpoints."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from a2r._internal.text import strip_control_characters
from a2r.cli.options import ConfigArgument, SetOption
from a2r.config import default_config_name, load_config
from a2r.errors import InterruptedRunError

if TYPE_CHECKING:
    from a2r.serving.diagnostics.report import EndpointReport

EXIT_UNUSABLE = 3
HEADINGS = (
    "role",
    "endpoint",
    "reachable",
    "model",
    "served",
    "context",
    "thinking",
    "first token",
    "tokens/s",
    "usage",
    "tokenize",
)


def check(
    config: ConfigArgument = None,
    assignments: SetOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Ask every endpoint of a config what it serves and how fast, and say what does not fit.

    Exit codes: 0 the config would work, 2 usage or config, 3 an endpoint cannot be reached or
    used, 130 interrupted.
    """
    from a2r.serving.diagnostics.check import check_config

    loaded = load_config(config or default_config_name(), assignments=assignments or [])
    try:
        reports = asyncio.run(check_config(loaded))
    except KeyboardInterrupt as error:
        raise InterruptedRunError from error
    works = all(report.is_usable for report in reports)
    if as_json:
        endpoints = [report.to_json() for report in reports]
        print(json.dumps({"config": loaded.name, "works": works, "endpoints": endpoints}, indent=2))
    else:
        _print_table([_row(report) for report in reports])
        for line in _problems(reports):
            print(line)
        print(f"config {loaded.name} {'would work' if works else 'would not work'}")
    if not works:
        raise typer.Exit(EXIT_UNUSABLE)


def _row(report: EndpointReport) -> tuple[str, ...]:
    return (
        report.role,
        strip_control_characters(report.endpoint),
        _word(report.reachable),
        strip_control_characters(report.model),
        _word(report.served),
        _word(report.context),
        _word(report.reasoning),
        "-" if report.first_token is None else f"{report.first_token:.2f} s",
        "-" if report.speed is None else f"{report.speed:.1f}",
        _word(report.usage),
        _word(report.tokenize),
    )


def _word(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case _:
            return str(value)


def _problems(reports: Sequence[EndpointReport]) -> list[str]:
    return [
        strip_control_characters(
            f"{finding.kind}: {report.role}, {report.endpoint}: {finding.text}"
        )
        for kind in ("error", "warning")
        for report in reports
        for finding in report.findings
        if finding.kind == kind
    ]


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(HEADINGS, *rows, strict=True)]
    if not sys.stdout.isatty():
        for row in (HEADINGS, *rows):
            padded = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
            print("  ".join(padded).rstrip())
        return
    console = Console()
    if sum(widths) + 2 * len(widths) <= console.width:
        console.print(_table(HEADINGS, rows))
        return
    # Cut to the width of a narrow terminal, the table would say nothing.
    for role, endpoint, *cells in rows:
        console.print(Text.assemble((role, "bold"), f"  {endpoint}"), soft_wrap=True)
        console.print(_table(None, list(zip(HEADINGS[2:], cells, strict=True))))


def _table(headings: Sequence[str] | None, rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=headings is not None)
    for heading in headings or rows[0]:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table
