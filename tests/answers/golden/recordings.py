"""The agreement with the authors of recorded samples, for `make exam`.

A line of a recording is `{problem, gold, kind, samples: [{text, source_answer, source_correct}]}`;
`source_answer` is the answer that the authors extracted, `source_correct` their verdict.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from a2r.answers import Kind, equivalent, extract, grade
from a2r.evaluation.replay.field_mapping import FieldMapping
from a2r.evaluation.replay.recording_schema import parse_recording


@dataclass(kw_only=True)
class Agreement:
    """The counts of a file; a sample without an answer of its authors counts in `extra` only."""

    answers: int = 0
    same_answers: int = 0
    verdicts: int = 0
    same_verdicts: int = 0
    without_answer: int = 0
    extra: int = 0

    def add_answer(self, answer: str | None, source: str | None, *, same: bool) -> None:
        """Count an answer beside the one that the authors extracted."""
        if source:
            self.answers += 1
            self.same_answers += same
        else:
            self.without_answer += 1
            self.extra += answer is not None


def print_recordings(folder: Path) -> None:
    """Print a line for each recording of a folder."""
    print(f"\n{'recording':58}{'answers':>8}{'agree':>7}{'verdicts':>9}{'agree':>7}  found without")
    for path in sorted(folder.glob("*.jsonl*")):
        count = agreement(path)
        print(
            f"{path.name.partition('.jsonl')[0]:58}"
            f"{count.answers:>8}{_share(count.same_answers, count.answers)}"
            f"{count.verdicts:>9}{_share(count.same_verdicts, count.verdicts)}"
            f"  {count.extra} of {count.without_answer}",
            flush=True,
        )


def agreement(path: Path) -> Agreement:
    """The agreement on the samples of a file, by answer, or by verdict where there is none."""
    count = Agreement()
    for problem, gold, kind, sample in _samples(path):
        found = extract(sample.get("text") or "", kind, problem)
        answer = found.text if found else None
        source = sample.get("source_answer")
        if "source_answer" in sample:
            same = bool(answer and source) and _is_same(answer or "", source, kind, problem)
            count.add_answer(answer, source, same=same)
        elif sample.get("source_correct") is not None:
            verdict = answer is not None and grade(answer, gold, kind, question=problem)
            count.verdicts += 1
            count.same_verdicts += verdict == bool(sample["source_correct"])
    return count


def _samples(path: Path) -> Iterator[tuple[str, str, Kind, dict[str, Any]]]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rb") as lines:
        for line in lines:
            recording = parse_recording(line, FieldMapping())
            kind: Kind = recording.kind or "auto"
            for sample in json.loads(line)["samples"]:
                yield recording.problem, recording.gold, kind, sample


def _is_same(answer: str, source: str, kind: Kind, problem: str) -> bool:
    return (
        answer == source
        or equivalent(answer, source, kind, question=problem)
        or grade(answer, source, kind, question=problem)
    )


def _share(part: int, total: int) -> str:
    return f"{part / total:>7.3f}" if total else f"{'-':>7}"
