"""`a2r check`: probe the endpoints of a config."""

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
from a2r.cli.table import format_table
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
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Probe the models and the speed of all endpoints of a config, and report problems.

    Exit codes: 0: the config works, 2: usage or config error, 3: an endpoint is unreachable or
    unusable, 130: interrupted.
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
        print(f"config {loaded.name} {'works' if works else 'does not work'}")
    if not works:
        raise typer.Exit(EXIT_UNUSABLE)


def _row(report: EndpointReport) -> tuple[str, ...]:
    return (
        report.role,
        strip_control_characters(report.endpoint),
        _format_cell(report.reachable),
        strip_control_characters(report.model),
        _format_cell(report.served),
        _format_cell(report.context),
        _format_cell(report.reasoning),
        "-" if report.first_token is None else f"{report.first_token:.2f} s",
        "-" if report.speed is None else f"{report.speed:.1f}",
        _format_cell(report.usage),
        _format_cell(report.tokenize),
    )


def _format_cell(value: object) -> str:
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
    if not sys.stdout.isatty():
        print("\n".join(format_table(HEADINGS, rows)))
        return
    console = Console()
    widths = [max(map(len, column)) for column in zip(HEADINGS, *rows, strict=True)]
    if sum(widths) + 2 * len(widths) <= console.width:
        console.print(_table(HEADINGS, rows))
        return
    # A table that is cut to a narrow terminal is not readable: print one block per endpoint.
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
