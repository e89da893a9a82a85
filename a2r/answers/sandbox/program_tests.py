"""The tests of a question for programs: asserts, doctests, and stated inputs with their outputs."""

from __future__ import annotations

import doctest
import re
from collections.abc import Iterator
from dataclasses import dataclass

ASSERT = re.compile(r"^[^\S\n]*+(assert\s++\S(?:.*\S)?)", re.MULTILINE)
# The headings of an example, with the fence of a block that follows, and the end of its output.
HEADING_END = r"[^\S\n]*+\d*+[^\w\n:]*+[:\n]\s*+(?:```\w*\n)?"
INPUT = re.compile(rf"^[^\w\n]*+(?:sample\s+)?input{HEADING_END}", re.IGNORECASE | re.MULTILINE)
OUTPUT = re.compile(
    rf"^[^\w\n]*+(?:sample\s+|expected\s+)?output{HEADING_END}", re.IGNORECASE | re.MULTILINE
)
OUTPUT_END = re.compile(r"\n```|\n[^\S\n]*+\n|\Z")
WORD = re.compile(r"\w")


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
        examples=tuple(_examples(question)),
    )


def _examples(question: str) -> Iterator[tuple[str, str]]:
    """The pairs of an input and its output, each below its heading."""
    position = 0
    while (given := INPUT.search(question, position)) and (
        expected := OUTPUT.search(question, given.end())
    ):
        end = OUTPUT_END.search(question, expected.end())
        position = len(question) if end is None else end.start()
        yield (
            _without_marks(question[given.end() : expected.start()]),
            question[expected.end() : position].rstrip(),
        )


def _without_marks(text: str) -> str:
    """The text without the lines at its end that have no word, such as a closing fence."""
    lines = text.split("\n")
    while lines and not WORD.search(lines[-1]):
        lines.pop()
    return "\n".join(lines).rstrip()
