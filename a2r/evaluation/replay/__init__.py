"""Replay of gates and waves on recorded samples: accuracy and cost without a model.

`build_rules` combines gates and waves, `replay` runs them over files of recordings, and each
`MetricsRow` of the result has the metrics of a rule. See docs/replay.md.
"""

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
