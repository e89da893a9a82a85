"""Stopping rules: from the votes of a wave to accept, sample more, or synthesize."""

from a2r.gates.decision import Plan, decide, is_settled
from a2r.gates.factory import build_gate
from a2r.gates.rules import Agreement
from a2r.gates.votes import Gate, Votes, count_votes

__all__ = [
    "Agreement",
    "Gate",
    "Plan",
    "Votes",
    "build_gate",
    "count_votes",
    "decide",
    "is_settled",
]
