"""Replaying rules over files of recordings."""

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
    """What is replayed, and how the recordings are read.

    Attributes:
        config: whose answers settings hold, and whose kind where a recording tells none.
        rules: what to replay.
        fields: the names of the recordings' fields.
        kind: the kind of all answers, over what recordings and config say; `auto` infers it.
        first: how many samples of each question count; `None` is all.
        complain: is told each line that cannot be used, with file, number and reason.
        follow: is told the file and the number of its questions played so far.
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
    """The measures of every rule over every file, then `pooled` over all files together.

    `unusable` says of each file that is left out why.
    """

    rows: list[MetricsRow]
    unusable: list[str]


async def replay(files: Sequence[str], plan: Replay) -> ReplayResult:
    """Play every rule on every question of the files, each of which is read once.

    Raises:
        RecordingError: no file holds a usable question.
        ConfigError: a rule of the user's failed.
    """
    rows: list[MetricsRow] = []
    unusable: list[str] = []
    pooled: list[list[Outcome]] = [[] for _ in plan.rules]
    left_out = 0
    for file in files:
        complaints = _Warnings(_on_warning=plan.on_warning)
        try:
            played = await _replay_file(file, plan, complaints)
        except RecordingError as error:
            unusable.append(str(error))
            continue
        left_out += complaints.lines
        rows += [
            compute_metrics(file, *pair, complaints.lines)
            for pair in zip(plan.rules, played, strict=True)
        ]
        for known, more in zip(pooled, played, strict=True):
            known += more
    if not rows:
        raise RecordingError("; ".join(unusable) or "no file is given")
    rows += [
        compute_metrics(POOLED, *pair, left_out) for pair in zip(plan.rules, pooled, strict=True)
    ]
    return ReplayResult(rows=rows, unusable=unusable)


@dataclass
class _Warnings:
    """Complaints about a file: how many lines cannot be used, and each strange kind once."""

    _on_warning: Callable[[str], None]
    lines: int = 0
    kinds: set[str] = field(default_factory=set)

    def line(self, told: str) -> None:
        self.lines += 1
        self._on_warning(told)

    def kind(self, file: str, name: str | None) -> None:
        if name is not None and name not in self.kinds:
            self.kinds.add(name)
            self._on_warning(
                f"{file}: unknown kind {name!r}, taken for none (--kind tells the kind)"
            )


async def _replay_file(file: str, plan: Replay, complaints: _Warnings) -> list[list[Outcome]]:
    """For each rule, its outcomes on the questions of a file."""
    outcomes: list[list[Outcome]] = [[] for _ in plan.rules]
    for number, recording in enumerate(read_recordings(file, plan.fields, complaints.line), 1):
        if plan.kind is None:
            complaints.kind(file, recording.unknown_kind)
        question = RecordedQuestion(
            recording,
            settings=plan.config.answers.settings,
            kind=_kind(recording, plan),
            first=plan.first,
        )
        for rule, known in zip(plan.rules, outcomes, strict=True):
            known.append(await simulate(rule, question))
        plan.on_progress(file, number)
    return outcomes


def _kind(recording: Recording, plan: Replay) -> Kind:
    if plan.kind is not None:
        return plan.kind
    return recording.kind or plan.config.kind
