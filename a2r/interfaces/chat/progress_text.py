"""How far a run is, in words: what goes out as the reasoning of a chat reply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from a2r._internal.text import one_line
from a2r.events import (
    AnyEvent,
    ClustersUpdated,
    GateDecided,
    RunStarted,
    SampleFinished,
    SynthesisDelta,
    SynthesisFinished,
    SynthesisRestarted,
    SynthesisStarted,
)

MAX_ANSWER_CHARACTERS = 80


@dataclass
class ProgressText:
    """Tells a run's events, a line each; the synthesizer's thinking as it comes."""

    samples: int = 0
    finished: int = 0
    midline: bool = False

    def line(self, event: AnyEvent) -> str:
        """What an event adds; empty if nothing."""
        if isinstance(event, SynthesisDelta):
            self.midline = self.midline or bool(event.thinking)
            return event.thinking
        teller = _FORMATTERS.get(type(event))
        line = teller(self, event) if teller else None
        if line is None:
            return ""
        start = "\n" if self.midline else ""
        self.midline = False
        return f"{start}{line}\n"


def _started(progress: ProgressText, event: RunStarted) -> None:
    progress.samples = event.samples


def _sample(progress: ProgressText, event: SampleFinished) -> str:
    progress.finished += 1
    sample = event.sample
    # Whether a finished text holds an answer is read when the wave is in.
    how = "done" if sample.status == "answered" else sample.status
    tokens = sample.usage.completion_tokens
    spent = "" if tokens is None else f", {tokens} tokens"
    seconds = "" if sample.seconds is None else f", {sample.seconds:.1f} s"
    most = max(progress.samples, progress.finished)
    return f"sample {progress.finished} of {most} {how}{spent}{seconds}"


def _votes(_: ProgressText, event: ClustersUpdated) -> str:
    if not event.clusters:
        return "votes: none"
    told = (
        f"{cluster.votes} for {one_line(cluster.answer, MAX_ANSWER_CHARACTERS)}"
        for cluster in event.clusters
    )
    return f"votes: {', '.join(told)}"


def _gate(_: ProgressText, event: GateDecided) -> str:
    return f"gate: {event.gate.decision}, {event.gate.reason}"


def _synthesis(_: ProgressText, event: SynthesisStarted) -> str:
    return f"synthesizer: reads {event.references} references"


def _restarted(_: ProgressText, event: SynthesisRestarted) -> str:
    return "synthesizer: interrupted, begins again"


def _synthesized(_: ProgressText, event: SynthesisFinished) -> str:
    synthesis = event.synthesis
    tokens = synthesis.usage.completion_tokens
    spent = "" if tokens is None else f", {tokens} tokens"
    return f"synthesizer: {synthesis.status}{spent}"


_FORMATTERS: Mapping[type, Callable[[ProgressText, Any], str | None]] = {
    RunStarted: _started,
    SampleFinished: _sample,
    ClustersUpdated: _votes,
    GateDecided: _gate,
    SynthesisStarted: _synthesis,
    SynthesisRestarted: _restarted,
    SynthesisFinished: _synthesized,
}
