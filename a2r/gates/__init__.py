"""The gate: rules that decide what happens after a wave, and what is certain before its end."""

from a2r.gates.decision import Plan, decide, is_settled
from a2r.gates.factory import build_gate
from a2r.gates.votes import Gate, Votes

__all__ = ["Gate", "Plan", "Votes", "build_gate", "decide", "is_settled"]
