"""`a2r replay`: what gates and waves would have done on recorded samples, without a model."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import compress, groupby
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from a2r._internal.text import strip_control_characters
from a2r.cli.options import SetOption
from a2r.config import load_config
from a2r.errors import InterruptedRunError

if TYPE_CHECKING:
    from a2r.evaluation.replay import MetricsRow, Replay, ReplayResult

SCHEMA_VERSION = 1
WIDTH = 100
SPREAD = "95%"
HEADINGS = (
    "rule", "waves", "acc", SPREAD, "diff", SPREAD, "samples", "tokens", "synth", "accepted"
)  # fmt: skip
FOLDED = ("rule", "waves")
MIN_FOLDED = 9
ReplayedConfigOption = Annotated[
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
        typer.Argument(metavar="FILE...", help="Recordings, JSON lines or gzip; - reads stdin."),
    ],
    config: ReplayedConfigOption = None,
    assignments: SetOption = None,
    gates: Annotated[
        list[str] | None,
        typer.Option(
            "--gate",
            metavar="RULE",
            help="A rule, several with commas, or module:name for one of yours. Repeatable. "
            "(default: the config's, then all others)",
        ),
    ] = None,
    waves: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SIZES", help="Waves instead of the config's, as in 2,2,4. Repeatable."
        ),
    ] = None,
    first: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Use only so many samples a question.")
    ] = None,
    mapped: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="FIELD=NAME",
            help="The recordings' name of a field, as in gold=answer or samples=meta.outputs. "
            "Repeatable.",
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(help="The answers' kind, whatever the recordings say; auto infers it."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the measures as JSON.")] = False,
) -> None:
    """Replay gates and waves over recorded samples: accuracy, samples and tokens spent.

    Exit codes: 0 replayed, 2 usage, config or a file without a usable question, 130 interrupted.
    """
    from a2r.evaluation.replay import FieldMapping, RecordingError, Replay, build_rules, parse_kind

    loaded = load_config(config or _default_config(), assignments=assignments or [])
    with _progress_bar() as follow:
        plan = Replay(
            config=loaded.config,
            rules=build_rules(
                loaded, gates or [loaded.config.gate.rule, "all"], waves or [], _on_warning
            ),
            fields=FieldMapping.parse(mapped or []),
            kind=None if kind is None else parse_kind(kind),
            first=first,
            on_warning=_on_warning,
            on_progress=follow,
        )
        replayed = _run_replay(files, plan)
    if as_json:
        rows = [row.as_json() for row in replayed.rows]
        document = {"schema_version": SCHEMA_VERSION, "first": first, "rows": rows}
        print(json.dumps(document, indent=2))
    else:
        _print(replayed.rows)
    if replayed.unusable:
        raise RecordingError("; ".join(replayed.unusable))


def _default_config() -> str:
    """`A2R_CONFIG`, else `a2r`: what `local` says is meant for small models on a slow machine."""
    return os.environ.get("A2R_CONFIG") or "a2r"


def _run_replay(files: Sequence[str], plan: Replay) -> ReplayResult:
    from a2r.evaluation.replay import replay as replay_files

    try:
        return asyncio.run(replay_files(files, plan))
    except KeyboardInterrupt as error:
        raise InterruptedRunError from error


def _on_warning(line: str) -> None:
    print(f"a2r: {strip_control_characters(line)}", file=sys.stderr)


@contextmanager
def _progress_bar() -> Iterator[OnProgress]:
    """Whom to tell how far it is: a line on a terminal's stderr, nobody elsewhere."""
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
        console = Console(width=WIDTH)
    # Squeezed into a narrower terminal, the names of the rules would be gone.
    spread = console.width >= WIDTH
    for file, grouped in groupby(rows, key=lambda row: row.file):
        of_file = list(grouped)
        console.print(_title(file, of_file[0]), soft_wrap=True)
        console.print(_table(of_file, spread=spread))
        console.print()


def _title(file: str, row: MetricsRow) -> Text:
    low, high = row.accuracy_all_interval
    return Text.assemble(
        (strip_control_characters(file), "bold"),
        f"\n{row.questions} questions; the vote of all samples: {row.accuracy_all:.3f}"
        f" ({low:.3f} {high:.3f})" + ("; tokens estimated" if row.tokens_estimated else ""),
    )


def _table(rows: Sequence[MetricsRow], *, spread: bool) -> Table:
    """The measures, with the intervals or without."""
    shown = [spread or heading != SPREAD for heading in HEADINGS]
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in compress(HEADINGS, shown):
        if heading in FOLDED:
            table.add_column(heading, overflow="fold", min_width=MIN_FOLDED)
        else:
            table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, compress(_cells(row), shown)))
    return table


def _cells(row: MetricsRow) -> tuple[str, ...]:
    (low, high), (less, more) = row.accuracy_interval, row.difference_interval
    right = "-" if row.accepted_accuracy is None else f"{row.accepted_accuracy:.3f}"
    return (
        strip_control_characters(row.rule.config.rule),
        ",".join(map(str, row.rule.waves)),
        f"{row.accuracy:.3f}",
        f"{low:.3f} {high:.3f}",
        f"{row.difference:+.3f}",
        f"{less:+.3f} {more:+.3f}",
        f"{row.samples_share:.1%}",
        "-" if row.tokens_share is None else f"{row.tokens_share:.1%}",
        f"{row.synthesis_share:.1%}",
        f"{row.accepted} {right}",
    )
