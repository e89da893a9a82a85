"""A reference: one solution as the synthesizer sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Reference:
    """One solution as the synthesizer sees it; `attempt` is the index of its sample or synthesis.

    `cluster` is the number of its answer's cluster, or `None` without an answer; `votes` is the
    size of that cluster.
    """

    text: str
    attempt: int
    answer: str | None = None
    cluster: int | None = None
    votes: int = 0

    def to_json(self) -> dict[str, Any]:
        """The reference as a JSON object of the state."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Reference:
        """A reference from a JSON object of the state."""
        return cls(**data)
