"""Replaying gates and waves over recorded samples: what a rule would have done, and spent."""

from a2r.evaluation.replay.field_mapping import FieldMapping, RecordingError
from a2r.evaluation.replay.metrics import MetricsRow
from a2r.evaluation.replay.recording_schema import parse_kind
from a2r.evaluation.replay.rule_grid import build_rules
from a2r.evaluation.replay.runner import POOLED, Replay, ReplayResult, replay
from a2r.evaluation.replay.simulate import Rule

__all__ = [
    "POOLED",
    "FieldMapping",
    "MetricsRow",
    "RecordingError",
    "Replay",
    "ReplayResult",
    "Rule",
    "build_rules",
    "parse_kind",
    "replay",
]
