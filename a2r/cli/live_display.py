"""The live display of a run: samples, votes, gate decisions, synthesis and usage."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from a2r._internal.text import one_line, strip_control_characters
from a2r.cli.usage_text import format_recoveries, format_savings, format_usage
from a2r.config import LoadedConfig
from a2r.events import (
    AnyEvent,
    ClustersUpdated,
    GateDecided,
    ReferencesPacked,
    RunFinished,
    RunStarted,
    SampleFinished,
    SampleProgress,
    SampleStarted,
    SynthesisDelta,
    SynthesisFinished,
    SynthesisRestarted,
    SynthesisStarted,
)
from a2r.result import Result, Sample, Synthesis
from a2r.workflow.agreement import format_agreement

ANSWER_WIDTH = 40
ERROR_WIDTH = 70
FRAMES_PER_SECOND = 8
STYLES = {
    "answered": "green",
    "abstained": "yellow",
    "truncated": "yellow",
    "failed": "red",
    "cancelled": "red",
}


@dataclass
class SampleRow:
    """The table row of a sample."""

    state: str = "waiting"
    role: str = ""
    tokens: int | None = None
    seconds: float = 0.0
    note: str = ""


class LiveDisplay:
    """Shows the events of a run on a terminal."""

    def __init__(self, loaded: LoadedConfig, console: Console) -> None:
        self._loaded = loaded
        self._console = console
        self._rows: dict[int, SampleRow] = {}
        self._live: Live | None = None
        self._thinking = False
        self._streamed: tuple[int, int] | None = None

    def __enter__(self) -> LiveDisplay:
        """Return the display; the table appears with the first sample."""
        return self

    def __exit__(self, *_: object) -> None:
        """Release the terminal."""
        self._stop()

    def show(self, event: AnyEvent) -> None:
        """Show one event."""
        match event:
            case RunStarted():
                self._start(event)
            case SampleStarted():
                role = "" if event.role == "explorer" else f" {event.role}"
                self._rows[event.index] = SampleRow(role=role)
                self._draw()
            case SampleProgress():
                row = self._rows[event.index]
                row.state, row.tokens, row.seconds = "running", event.tokens, event.seconds
                self._draw()
            case SampleFinished():
                self._finish_sample(event.sample)
                self._draw()
            case ClustersUpdated():
                for sample in event.samples:
                    self._finish_sample(sample)
                self._draw()
                self._stop()
                self._show_votes(event)
            case GateDecided():
                self._line("gate", f"{event.gate.decision}: {event.gate.reason}")
            case ReferencesPacked():
                self._show_references(event)
            case SynthesisStarted():
                self._streamed = self._streamed or (event.round, event.index)
            case SynthesisDelta() if self._streamed == (event.round, event.index):
                self._print_delta(event)
            case SynthesisRestarted() if self._streamed == (event.round, event.index):
                self._console.print()
                self._line("synthesizer", "failed, restarting")
            case SynthesisFinished():
                self._finish_synthesis(event.synthesis)
            case RunFinished():
                self._show_usage(event.result)

    def _start(self, event: RunStarted) -> None:
        config = self._loaded.config
        self._line("question", one_line(event.question, max(20, self._console.width - 14)))
        self._line(
            "explorer",
            f"{config.explorer.model}, up to {event.samples} samples, answers of kind {event.kind}",
        )

    def _finish_sample(self, sample: Sample) -> None:
        row = self._rows.setdefault(sample.index, SampleRow())
        row.state = sample.status
        row.tokens = sample.usage.completion_tokens
        row.seconds = sample.seconds or row.seconds
        row.note = (
            one_line(sample.answer, ANSWER_WIDTH)
            if sample.answer is not None
            else one_line(sample.error or "", ERROR_WIDTH)
        )
        if sample.is_recovered:
            row.note += " (recovered)"

    def _draw(self) -> None:
        if self._live is None:
            self._live = Live(
                console=self._console,
                get_renderable=self._table,
                refresh_per_second=FRAMES_PER_SECOND,
            )
            self._live.start()

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _table(self) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0))
        for heading in ("sample", "state"):
            table.add_column(heading)
        table.add_column("tokens", justify="right")
        table.add_column("tokens/s", justify="right")
        table.add_column("answer")
        for index, row in sorted(self._rows.items()):
            tokens = "" if row.tokens is None else str(row.tokens)
            speed = f"{row.tokens / row.seconds:.1f}" if row.tokens and row.seconds else ""
            state = Text(row.state, style=STYLES.get(row.state, ""))
            table.add_row(f"{index}{row.role}", state, tokens, speed, Text(row.note))
        return table

    def _show_votes(self, event: ClustersUpdated) -> None:
        if not event.clusters:
            self._line("votes", "no sample gave an answer")
        for cluster in event.clusters:
            members = ", ".join(map(str, cluster.samples))
            answer = one_line(cluster.answer, ANSWER_WIDTH)
            self._line("votes", f"{cluster.votes} for {answer} (samples {members})")

    def _show_references(self, event: ReferencesPacked) -> None:
        model = self._loaded.config.synthesizer
        about = "" if event.exact else "about "
        notes = [
            f"{count} {change}"
            for count, change in ((event.left_out, "left out"), (event.cut, "truncated"))
            if count
        ]
        self._streamed = None
        self._line(
            "synthesizer",
            f"{model.model if model else ''} reads {event.references} references"
            f"{', ' if notes else ''}{', '.join(notes)} ({about}{event.tokens} tokens)",
        )

    def _finish_synthesis(self, synthesis: Synthesis) -> None:
        if self._streamed == (synthesis.round, synthesis.index):
            self._console.print()
        answer = one_line(synthesis.answer or synthesis.error or "", ANSWER_WIDTH)
        position = f"round {synthesis.round}, attempt {synthesis.index}"
        self._line("synthesis", f"{position}: {synthesis.status} {answer}")

    def _print_delta(self, event: SynthesisDelta) -> None:
        text = event.thinking or event.text
        style = "dim italic" if event.thinking else "dim"
        if event.retracts or (self._thinking and event.text):
            self._console.print()
        self._thinking = bool(event.thinking)
        self._console.print(
            Text(strip_control_characters(text), style=style), end="", soft_wrap=True
        )

    def _show_usage(self, result: Result) -> None:
        currency = self._loaded.config.explorer.price.currency
        self._line("method", result.method or "none")
        agreement = format_agreement(result)
        if agreement is not None:
            self._line("agreement", agreement)
        for role, usage in (
            ("explorer", result.usage.explorer),
            ("synthesizer", result.usage.synthesizer),
        ):
            attempts = result.samples if role == "explorer" else result.synthesis
            seconds = max((attempt.seconds or 0.0 for attempt in attempts), default=0.0)
            self._line(role, format_usage(usage, seconds=seconds, currency=currency))
        total = format_usage(result.usage.total, seconds=result.seconds, currency=currency)
        self._line("total", total)
        recoveries = format_recoveries(result.samples, currency=currency)
        if recoveries is not None:
            self._line("recovered", recoveries)
        savings = format_savings(result.savings)
        if savings is not None:
            self._line("saved", savings)

    def _line(self, title: str, text: str) -> None:
        self._console.print(Text.assemble((f"{title:<12}", "bold"), strip_control_characters(text)))
