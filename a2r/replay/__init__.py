"""Replaying gates and waves over recorded samples: what a rule would have done, and spent."""

from a2r.replay.errors import RecordingError
from a2r.replay.fields import Fields
from a2r.replay.measures import Row
from a2r.replay.playing import Rule
from a2r.replay.recording import kind_of
from a2r.replay.replay import POOLED, Replay, Replayed, replay
from a2r.replay.rules import rules_of

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
