"""Split a model's thinking from its answer, in full texts and in streams."""

from a2r._internal.reasoning.parser import ReasoningParser
from a2r._internal.reasoning.parts import ReasoningPart, merge_parts
from a2r._internal.reasoning.split import split_parts, split_reasoning

__all__ = ["ReasoningParser", "ReasoningPart", "merge_parts", "split_parts", "split_reasoning"]
