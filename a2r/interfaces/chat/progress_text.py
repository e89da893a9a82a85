"""The progress of a run as lines of text: the reasoning of a chat reply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from a2r._internal.text import one_line
from a2r.events import (
    AnyEvent,
    ClustersUpdated,
    GateDecided,
    RecoveryFinished,
    RunStarted,
    SampleFinished,
    SynthesisDelta,
    SynthesisFinished,
    SynthesisRestarted,
    SynthesisStarted,
)
from a2r.result import Result
from a2r.usage import Usage

MAX_ANSWER_CHARACTERS = 80


@dataclass
class ProgressText:
    """Formats the events of a run, one line per event, and passes the synthesizer's thinking on.

    `samples` is the maximum number of samples, `finished` how many have finished; `midline` says
    that the last text, a piece of thinking, did not end its line.
    """

    samples: int = 0
    finished: int = 0
    midline: bool = False

    def line(self, event: AnyEvent) -> str:
        """The text that an event adds; empty if it adds none."""
        if isinstance(event, SynthesisDelta):
            self.midline = self.midline or bool(event.thinking)
            return event.thinking
        formatter = _FORMATTERS.get(type(event))
        line = formatter(self, event) if formatter else None
        if line is None:
            return ""
        start = "\n" if self.midline else ""
        self.midline = False
        return f"{start}{line}\n"


def format_start(event: RunStarted) -> str:
    """The start of a run, for interfaces that report it."""
    return f"sampling (up to {event.samples})"


def format_result(result: Result) -> str:
    """The result of a run, for interfaces that report it as progress."""
    answer = "no answer" if result.answer is None else f"answer {result.answer}"
    return answer if result.method is None else f"{result.method}: {answer}"


def _started(progress: ProgressText, event: RunStarted) -> None:
    progress.samples = event.samples


def _recovery(_: ProgressText, event: RecoveryFinished) -> str:
    answer = "" if event.answer is None else f" {one_line(event.answer, MAX_ANSWER_CHARACTERS)}"
    return f"recovery: {event.recovery.status}{answer}{_tokens(event.recovery.usage)}"


def _sample(progress: ProgressText, event: SampleFinished) -> str:
    progress.finished += 1
    sample = event.sample
    # Answers are extracted at the end of the wave: until then, a finished text counts as done.
    status = "done" if sample.status == "answered" else sample.status
    seconds = "" if sample.seconds is None else f", {sample.seconds:.1f} s"
    total = max(progress.samples, progress.finished)
    return f"sample {progress.finished} of {total} {status}{_tokens(sample.usage)}{seconds}"


def _votes(_: ProgressText, event: ClustersUpdated) -> str:
    if not event.clusters:
        return "votes: none"
    votes = (
        f"{cluster.votes} for {one_line(cluster.answer, MAX_ANSWER_CHARACTERS)}"
        for cluster in event.clusters
    )
    return f"votes: {', '.join(votes)}"


def _gate(_: ProgressText, event: GateDecided) -> str:
    return f"gate: {event.gate.decision}, {event.gate.reason}"


def _synthesis_started(_: ProgressText, event: SynthesisStarted) -> str:
    return f"synthesizer: reads {event.references} references"


def _synthesis_restarted(_: ProgressText, event: SynthesisRestarted) -> str:
    return "synthesizer: interrupted, restarting"


def _synthesis_finished(_: ProgressText, event: SynthesisFinished) -> str:
    return f"synthesizer: {event.synthesis.status}{_tokens(event.synthesis.usage)}"


def _tokens(usage: Usage) -> str:
    tokens = usage.completion_tokens
    return "" if tokens is None else f", {tokens} tokens"


_FORMATTERS: Mapping[type, Callable[[ProgressText, Any], str | None]] = {
    RunStarted: _started,
    RecoveryFinished: _recovery,
    SampleFinished: _sample,
    ClustersUpdated: _votes,
    GateDecided: _gate,
    SynthesisStarted: _synthesis_started,
    SynthesisRestarted: _synthesis_restarted,
    SynthesisFinished: _synthesis_finished,
}
