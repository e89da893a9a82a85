"""Replaying gates and waves over recorded samples: what a rule would have done, and spent."""

from a2r.evaluation.replay.field_mapping import Fields, RecordingError
from a2r.evaluation.replay.metrics import Row
from a2r.evaluation.replay.recording_schema import kind_of
from a2r.evaluation.replay.rule_grid import rules_of
from a2r.evaluation.replay.runner import POOLED, Replay, Replayed, replay
from a2r.evaluation.replay.simulate import Rule

__all__ = [
    "POOLED",
    "Fields",
    "RecordingError",
    "Replay",
    "Replayed",
    "Row",
    "Rule",
    "kind_of",
    "replay",
    "rules_of",
]
