"""`a2r replay`: evaluate gates and waves on recorded samples, without a model."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import compress, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from a2r._internal.text import strip_control_characters
from a2r.cli.options import SetOption
from a2r.config import load_config
from a2r.errors import InterruptedRunError, OptionError

if TYPE_CHECKING:
    from a2r.evaluation.replay import MetricsRow, Replay, ReplayResult

SCHEMA_VERSION = 1
TABLE_WIDTH = 100
INTERVAL = "95%"
HEADINGS = (
    "rule", "waves", "acc", INTERVAL, "diff", INTERVAL, "samples", "tokens", "synth", "accepted"
)  # fmt: skip
WRAPPED_COLUMNS = ("rule", "waves")
MIN_WRAPPED_WIDTH = 9
ReplayConfigOption = Annotated[
    str | None,
    typer.Option(
        "--config",
        "-c",
        metavar="NAME|PATH",
        help="A config's name or a YAML file. (default: A2R_CONFIG, else a2r)",
    ),
]
OnProgress = Callable[[str, int], None]


def replay(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...", help="Recordings: JSON Lines, plain or gzip; - reads stdin."
        ),
    ],
    config: ReplayConfigOption = None,
    assignments: SetOption = None,
    gates: Annotated[
        list[str] | None,
        typer.Option(
            "--gate",
            metavar="RULE",
            help="A rule, several separated by commas, or module:name for a custom one. "
            "Repeatable. (default: the config's rule, then all others)",
        ),
    ] = None,
    waves: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SIZES", help="Wave sizes instead of the config's, as in 2,2,4. Repeatable."
        ),
    ] = None,
    first: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Use only the first N samples of each question."),
    ] = None,
    mappings: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="FIELD=NAME",
            help="Name of a field in the recordings, as in gold=answer or samples=meta.outputs. "
            "Repeatable.",
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(help="Answer kind, overriding the recordings; auto infers it."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Run the config on the recorded replies of one bank, and store the results in "
            "this new bank; models are only called for what is not recorded.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Count the calls that --out would make, and make none."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the metrics as JSON.")] = False,
) -> None:
    """Evaluate gates and waves on recorded samples: accuracy, samples and tokens used.

    With --out, run any config on the recorded replies of a bank, as 'a2r batch' does.

    Exit codes: 0: success, 2: usage or config error, or a file without a usable question,
    130: interrupted; with --out, those of 'a2r batch'.
    """
    if out is not None or dry_run:
        _run_on_bank(files, out, config, assignments or [], dry_run=dry_run, as_json=as_json)
        return
    from a2r.evaluation.replay import FieldMapping, RecordingError, Replay, build_rules, parse_kind

    loaded = load_config(config or _default_config(), assignments=assignments or [])
    with _progress_bar() as on_progress:
        settings = Replay(
            config=loaded.config,
            rules=build_rules(
                loaded, gates or [loaded.config.gate.rule, "all"], waves or [], _on_warning
            ),
            fields=FieldMapping.parse(mappings or []),
            kind=None if kind is None else parse_kind(kind),
            first=first,
            on_warning=_on_warning,
            on_progress=on_progress,
        )
        result = _run_replay(files, settings)
    if as_json:
        rows = [row.as_json() for row in result.rows]
        document = {"schema_version": SCHEMA_VERSION, "first": first, "rows": rows}
        print(json.dumps(document, indent=2))
    else:
        _print(result.rows)
    if result.unusable:
        raise RecordingError("; ".join(result.unusable))


def _run_on_bank(
    files: Sequence[str],
    out: Path | None,
    config: str | None,
    assignments: Sequence[str],
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Run a config on the recorded replies of a bank.

    Raises:
        OptionError: there is not one bank, no config, or no folder for the results.
    """
    from a2r.batch import BatchSettings
    from a2r.batch.bank.reader import is_bank
    from a2r.cli.batch import run_batch

    if len(files) != 1 or not is_bank(files[0]):
        raise OptionError("--out and --dry-run take one bank, a folder of 'a2r batch'", "out")
    if config is None:
        raise OptionError("--out and --dry-run need --config: what runs on the bank", "config")
    if out is None and not dry_run:
        raise OptionError("--out needs a folder", "out")
    loaded = load_config(config, assignments=assignments)
    settings = BatchSettings(questions=files[0], folder=out or Path(files[0]))
    run_batch(loaded, settings, dry_run=dry_run, as_json=as_json)


def _default_config() -> str:
    """Return `A2R_CONFIG`, else `a2r`: `local` is tuned for small models on slow machines."""
    return os.environ.get("A2R_CONFIG") or "a2r"


def _run_replay(files: Sequence[str], settings: Replay) -> ReplayResult:
    from a2r.evaluation.replay import replay as replay_files

    try:
        return asyncio.run(replay_files(files, settings))
    except KeyboardInterrupt as error:
        raise InterruptedRunError from error


def _on_warning(line: str) -> None:
    print(f"a2r: {strip_control_characters(line)}", file=sys.stderr)


@contextmanager
def _progress_bar() -> Iterator[OnProgress]:
    """Yield a progress callback; it updates a status line if stderr is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _file, _questions: None
        return
    with Console(stderr=True).status("") as status:
        yield lambda file, questions: status.update(
            Text(strip_control_characters(f"{file}: {questions} questions"))
        )


def _print(rows: Sequence[MetricsRow]) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=TABLE_WIDTH)
    # A narrower terminal would truncate the names of the rules.
    intervals = console.width >= TABLE_WIDTH
    for file, grouped in groupby(rows, key=lambda row: row.file):
        file_rows = list(grouped)
        console.print(_title(file, file_rows[0]), soft_wrap=True)
        console.print(_table(file_rows, intervals=intervals))
        console.print()


def _title(file: str, row: MetricsRow) -> Text:
    low, high = row.accuracy_all_interval
    return Text.assemble(
        (strip_control_characters(file), "bold"),
        f"\n{row.questions} questions; the vote of all samples: {row.accuracy_all:.3f}"
        f" ({low:.3f} {high:.3f})" + ("; tokens estimated" if row.tokens_estimated else ""),
    )


def _table(rows: Sequence[MetricsRow], *, intervals: bool) -> Table:
    """Return the metrics as a table, with or without the intervals."""
    shown = [intervals or heading != INTERVAL for heading in HEADINGS]
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in compress(HEADINGS, shown):
        if heading in WRAPPED_COLUMNS:
            table.add_column(heading, overflow="fold", min_width=MIN_WRAPPED_WIDTH)
        else:
            table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, compress(_cells(row), shown)))
    return table


def _cells(row: MetricsRow) -> tuple[str, ...]:
    (low, high), (lower, upper) = row.accuracy_interval, row.difference_interval
    accuracy = "-" if row.accepted_accuracy is None else f"{row.accepted_accuracy:.3f}"
    return (
        strip_control_characters(row.rule.config.rule),
        ",".join(map(str, row.rule.waves)),
        f"{row.accuracy:.3f}",
        f"{low:.3f} {high:.3f}",
        f"{row.difference:+.3f}",
        f"{lower:+.3f} {upper:+.3f}",
        f"{row.samples_share:.1%}",
        "-" if row.tokens_share is None else f"{row.tokens_share:.1%}",
        f"{row.synthesis_share:.1%}",
        f"{row.accepted} {accuracy}",
    )
