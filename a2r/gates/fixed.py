"""Rules that do not look at agreement."""

from __future__ import annotations

from a2r.gates.votes import Votes
from a2r.result import Decision


def always(votes: Votes) -> tuple[Decision, str]:
    """Synthesize after the last wave, as the paper does (A2R, arXiv 2509.22044)."""
    return "sample_more", "the rule always synthesizes"


def never(votes: Votes) -> tuple[Decision, str]:
    """Take the vote after the last wave: self-consistency (Wang et al., arXiv 2203.11171)."""
    if votes.left:
        return "sample_more", "the rule uses every wave"
    return "accept", f"the top answer has {votes.top} of {votes.answered} votes"
