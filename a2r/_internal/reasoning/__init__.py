"""Split a model's thinking from its answer, in full texts and in streams."""

from a2r._internal.reasoning.parser import ReasoningParser
from a2r._internal.reasoning.parts import ReasoningPart, merge_parts
from a2r._internal.reasoning.split import split_parts, split_reasoning
from a2r._internal.reasoning.tags import Tag, opening_at_end

__all__ = [
    "ReasoningParser",
    "ReasoningPart",
    "Tag",
    "merge_parts",
    "opening_at_end",
    "split_parts",
    "split_reasoning",
]
