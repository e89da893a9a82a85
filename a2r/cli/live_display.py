"""The live display: samples as they run, the votes, the gate, the synthesizer's text, the bill."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from a2r._internal.text import one_line, strip_control_characters
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
from a2r.result import Result, Sample, Savings, Synthesis
from a2r.usage import Usage

ANSWER_WIDTH = 40
ERROR_WIDTH = 70
FRAMES_A_SECOND = 8
STYLES = {
    "answered": "green",
    "abstained": "yellow",
    "truncated": "yellow",
    "failed": "red",
    "cancelled": "red",
}


@dataclass
class Row:
    """One sample as the display knows it."""

    state: str = "waiting"
    role: str = ""
    tokens: int | None = None
    seconds: float = 0.0
    note: str = ""


class LiveDisplay:
    """Shows the events of one run on a terminal."""

    def __init__(self, loaded: LoadedConfig, console: Console) -> None:
        self._loaded = loaded
        self._console = console
        self._rows: dict[int, Row] = {}
        self._live: Live | None = None
        self._thinking = False
        self._shown: tuple[int, int] | None = None

    def __enter__(self) -> LiveDisplay:
        """Begin; the table is drawn with the first sample."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the terminal back."""
        self._stop()

    def show(self, event: AnyEvent) -> None:
        """Show one event."""
        match event:
            case RunStarted():
                self._begin(event)
            case SampleStarted():
                own = "" if event.role == "explorer" else f" {event.role}"
                self._rows[event.index] = Row(role=own)
                self._draw()
            case SampleProgress():
                row = self._rows[event.index]
                row.state, row.tokens, row.seconds = "running", event.tokens, event.seconds
                self._draw()
            case SampleFinished():
                self._finish(event.sample)
                self._draw()
            case ClustersUpdated():
                for sample in event.samples:
                    self._finish(sample)
                self._draw()
                self._stop()
                self._votes(event)
            case GateDecided():
                self._line("gate", f"{event.gate.decision}: {event.gate.reason}")
            case ReferencesPacked():
                self._packed(event)
            case SynthesisStarted():
                self._shown = self._shown or (event.round, event.index)
            case SynthesisDelta() if self._shown == (event.round, event.index):
                self._synthesis(event)
            case SynthesisRestarted() if self._shown == (event.round, event.index):
                self._console.print()
                self._line("synthesizer", "failed, begins anew")
            case SynthesisFinished():
                self._attempt(event.synthesis)
            case RunFinished():
                self._bill(event.result)

    def _begin(self, event: RunStarted) -> None:
        config = self._loaded.config
        self._line("question", one_line(event.question, max(20, self._console.width - 14)))
        self._line(
            "explorer",
            f"{config.explorer.model}, {event.samples} samples at most, answers of kind "
            f"{event.kind}",
        )

    def _finish(self, sample: Sample) -> None:
        row = self._rows.setdefault(sample.index, Row())
        row.state = sample.status
        row.tokens = sample.usage.completion_tokens
        row.seconds = sample.seconds or row.seconds
        row.note = (
            one_line(sample.answer, ANSWER_WIDTH)
            if sample.answer is not None
            else one_line(sample.error or "", ERROR_WIDTH)
        )

    def _draw(self) -> None:
        if self._live is None:
            self._live = Live(
                console=self._console,
                get_renderable=self._table,
                refresh_per_second=FRAMES_A_SECOND,
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

    def _votes(self, event: ClustersUpdated) -> None:
        if not event.clusters:
            self._line("votes", "no sample gave an answer")
        for cluster in event.clusters:
            members = ", ".join(map(str, cluster.samples))
            answer = one_line(cluster.answer, ANSWER_WIDTH)
            self._line("votes", f"{cluster.votes} for {answer} (samples {members})")

    def _packed(self, event: ReferencesPacked) -> None:
        model = self._loaded.config.synthesizer
        about = "" if event.exact else "about "
        notes = [
            f"{count} {what}"
            for count, what in ((event.left_out, "left out"), (event.cut, "cut"))
            if count
        ]
        self._shown = None
        self._line(
            "synthesizer",
            f"{model.model if model else ''} reads {event.references} references"
            f"{', ' if notes else ''}{', '.join(notes)} ({about}{event.tokens} tokens)",
        )

    def _attempt(self, synthesis: Synthesis) -> None:
        if self._shown == (synthesis.round, synthesis.index):
            self._console.print()
        answer = one_line(synthesis.answer or synthesis.error or "", ANSWER_WIDTH)
        place = f"round {synthesis.round}, attempt {synthesis.index}"
        self._line("synthesis", f"{place}: {synthesis.status} {answer}")

    def _synthesis(self, event: SynthesisDelta) -> None:
        text = event.thinking or event.text
        style = "dim italic" if event.thinking else "dim"
        if self._thinking and event.text:
            self._console.print()
        self._thinking = bool(event.thinking)
        self._console.print(
            Text(strip_control_characters(text), style=style), end="", soft_wrap=True
        )

    def _bill(self, result: Result) -> None:
        self._line("method", result.method or "none")
        for role, usage in (
            ("explorer", result.usage.explorer),
            ("synthesizer", result.usage.synthesizer),
        ):
            parts = result.samples if role == "explorer" else result.synthesis
            seconds = max((part.seconds or 0.0 for part in parts), default=0.0)
            self._line(role, self._spent(usage, seconds))
        self._line("in all", self._spent(result.usage.total, result.seconds))
        self._saved(result.savings)

    def _saved(self, savings: Savings | None) -> None:
        if savings is None or (savings.saved.tokens or 0) <= 0:
            return
        fixed, saved = savings.fixed, savings.saved
        told = (
            f"{fixed.samples} samples and {fixed.syntheses} syntheses would be about {fixed.tokens}"
        )
        share = 100 * (saved.tokens or 0) / (fixed.tokens or 1)
        self._line("saved", f"{told} tokens: {share:.0f}% saved, an estimate")

    def _spent(self, usage: Usage, seconds: float) -> str:
        if usage.calls == 0:
            return "no call"
        about = "about " if usage.estimated else ""
        currency = self._loaded.config.explorer.price.currency
        cost = "unknown" if usage.cost is None else f"{usage.cost:.6f} {currency}"
        return (
            f"{usage.calls} calls, {about}{_known(usage.prompt_tokens)} prompt + "
            f"{_known(usage.completion_tokens)} completion tokens, {seconds:.1f} s, cost {cost}"
        )

    def _line(self, title: str, text: str) -> None:
        self._console.print(Text.assemble((f"{title:<12}", "bold"), strip_control_characters(text)))


def _known(count: int | None) -> str:
    return "unknown" if count is None else str(count)
