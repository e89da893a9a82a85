"""The tests of a question for programs: asserts, doctests, and stated inputs with their outputs."""

from __future__ import annotations

import doctest
import re
from dataclasses import dataclass

ASSERT = re.compile(r"^\s*(assert\s+.+?)\s*$", re.MULTILINE)
FENCE = r"(?:```\w*\n)?"
EXAMPLE = re.compile(
    rf"^\W*(?:sample\s+)?input\s*\d*\W*?[:\n]\s*{FENCE}(?P<input>.*?)(?:\n```)?\s*"
    rf"^\W*(?:sample\s+|expected\s+)?output\s*\d*\W*?[:\n]\s*{FENCE}"
    r"(?P<output>.*?)\s*(?=\n```|\n\s*\n|\Z)",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, kw_only=True)
class ProgramTests:
    """What a program must do: statements that hold, doctests, and outputs for inputs."""

    asserts: tuple[str, ...]
    doctests: tuple[tuple[str, str], ...]
    examples: tuple[tuple[str, str], ...]

    @property
    def count(self) -> int:
        """The number of tests."""
        return len(self.asserts) + len(self.doctests) + len(self.examples)


def parse_tests(question: str) -> ProgramTests:
    """The tests that a question states; none if it states none."""
    try:
        found = doctest.DocTestParser().get_examples(question)
    except ValueError:
        found = []
    return ProgramTests(
        asserts=tuple(match[1] for match in ASSERT.finditer(question)),
        doctests=tuple((example.source, example.want) for example in found),
        examples=tuple((m["input"], m["output"]) for m in EXAMPLE.finditer(question)),
    )
