"""Replay of rules on files of recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from a2r.answers import Kind
from a2r.config import Config
from a2r.evaluation.replay.field_mapping import FieldMapping, RecordingError
from a2r.evaluation.replay.metrics import MetricsRow, compute_metrics
from a2r.evaluation.replay.recorded_question import RecordedQuestion
from a2r.evaluation.replay.recording_reader import read_recordings
from a2r.evaluation.replay.recording_schema import Recording
from a2r.evaluation.replay.simulate import Outcome, Rule, simulate

POOLED = "pooled"


@dataclass(frozen=True, kw_only=True)
class Replay:
    """The settings of a replay.

    Attributes:
        config: provides the `answers` settings, and the kind if a recording has none.
        rules: the rules to replay.
        fields: the names of the recordings' fields.
        kind: the answer kind, overriding recordings and config; `auto` infers it.
        first: number of samples of each question to use; `None` for all.
        on_warning: called with file, line number and reason for each invalid line.
        on_progress: called with the file and the number of its questions replayed.
    """

    config: Config
    rules: Sequence[Rule]
    fields: FieldMapping = field(default_factory=FieldMapping)
    kind: Kind | None = None
    first: int | None = None
    on_warning: Callable[[str], None] = lambda _: None
    on_progress: Callable[[str, int], None] = lambda _file, _questions: None


@dataclass(frozen=True, kw_only=True)
class ReplayResult:
    """The metrics of every rule for each file, then for all files together (`pooled`).

    `unusable` has an error message for each file without metrics.
    """

    rows: list[MetricsRow]
    unusable: list[str]


async def replay(files: Sequence[str], settings: Replay) -> ReplayResult:
    """Replay every rule on every question; each file is read once.

    Raises:
        RecordingError: no file contains a usable question.
        ConfigError: a custom rule failed.
    """
    rows: list[MetricsRow] = []
    unusable: list[str] = []
    pooled: list[list[Outcome]] = [[] for _ in settings.rules]
    left_out = 0
    for file in files:
        warnings = _Warnings(_on_warning=settings.on_warning)
        try:
            outcomes = await _replay_file(file, settings, warnings)
        except RecordingError as error:
            unusable.append(str(error))
            continue
        left_out += warnings.invalid_lines
        rows += [
            compute_metrics(file, *pair, warnings.invalid_lines)
            for pair in zip(settings.rules, outcomes, strict=True)
        ]
        for rule_pooled, rule_outcomes in zip(pooled, outcomes, strict=True):
            rule_pooled += rule_outcomes
    if not rows:
        raise RecordingError("; ".join(unusable) or "no files given")
    rows += [
        compute_metrics(POOLED, *pair, left_out)
        for pair in zip(settings.rules, pooled, strict=True)
    ]
    return ReplayResult(rows=rows, unusable=unusable)


@dataclass
class _Warnings:
    """The warnings of a file: the count of invalid lines, and each unknown kind once."""

    _on_warning: Callable[[str], None]
    invalid_lines: int = 0
    unknown_kinds: set[str] = field(default_factory=set)

    def invalid_line(self, message: str) -> None:
        self.invalid_lines += 1
        self._on_warning(message)

    def unknown_kind(self, file: str, name: str | None) -> None:
        if name is not None and name not in self.unknown_kinds:
            self.unknown_kinds.add(name)
            self._on_warning(f"{file}: unknown kind {name!r} ignored (use --kind to set the kind)")


async def _replay_file(file: str, settings: Replay, warnings: _Warnings) -> list[list[Outcome]]:
    """Return the outcomes on the questions of a file, for each rule."""
    outcomes: list[list[Outcome]] = [[] for _ in settings.rules]
    for number, recording in enumerate(
        read_recordings(file, settings.fields, warnings.invalid_line), 1
    ):
        if settings.kind is None:
            warnings.unknown_kind(file, recording.unknown_kind)
        question = RecordedQuestion(
            recording,
            settings=settings.config.answers.settings,
            kind=_kind(recording, settings),
            first=settings.first,
        )
        for rule, rule_outcomes in zip(settings.rules, outcomes, strict=True):
            rule_outcomes.append(await simulate(rule, question))
        settings.on_progress(file, number)
    return outcomes


def _kind(recording: Recording, settings: Replay) -> Kind:
    if settings.kind is not None:
        return settings.kind
    return recording.kind or settings.config.kind
