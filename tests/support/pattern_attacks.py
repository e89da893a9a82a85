"""Texts on which a backtracking pattern takes its longest, derived from the pattern itself.

Every repeat of the pattern is a place to go back to. Its body is repeated alone, after what leads
to it, together with what leads to it, and before a character that no pattern of the package
expects. Pieces that texts of models repeat complete the list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

PARSER: Any = re._parser  # type: ignore[attr-defined]
COMPILER: Any = re._compiler  # type: ignore[attr-defined]

MISMATCH = "\x00"
MIN_REPEATS = 40
MAX_EXAMPLES = 4
MAX_LITERALS = 4
MAX_ATTACKS = 400
CANDIDATES = " \na1A0_-.,:=()[]{}<>*$\\/'\"`~|#&%+^;!?@\téα中、。：＝–—−"
PIECES = (
    *"\n \ta1A([{\\*_-=$,.<`|:'\"#~é中",
    *("a ", "1 ", "a\n", " \n", "\n ", "\n\n ", "1,", "1.", "a.", "a_", "a:", "1-", "a, ", "\r\n"),
    *("the ", "is ", "answer is ", "the answer", "judgment ", "or ", "and ", "option ", "final "),
    *("**", "$$", "\\(", "\\[", "\\ ", "\\text{", "\\boxed{", "\\frac{1}", "&nbsp;", "<br>"),
    *("x=", "x = ", "A) ", "(A) ", "A. ", "- ", "# ", "```", "```\n", "<a", "<think>", "</think>"),
    *('{"', "<|", "1/", "0x", "http://", "a.b", "://", "key=", "sk-", "Bearer ", "e1", "def f("),
)


@dataclass(frozen=True)
class Attack:
    """A text that grows by its unit."""

    head: str
    unit: str
    tail: str

    def text(self, length: int) -> str:
        """The text with as many units as fit in `length` characters."""
        return self.head + self.unit * max(1, length // len(self.unit)) + self.tail


def attacks(pattern: re.Pattern[str]) -> list[Attack]:
    """The attacks on one pattern, without repetitions."""
    parsed = PARSER.parse(pattern.pattern, pattern.flags & ~re.UNICODE)
    walker = Walker(parsed.state)
    examples = walker.examples(parsed)
    found: dict[Attack, None] = {}
    for head, unit in walker.repeats(parsed, ""):
        for text in (unit, head + unit, head):
            for tail in (MISMATCH, ""):
                if text:
                    found[Attack("", text, tail)] = None
        if head:
            found[Attack(head, unit, MISMATCH)] = None
    for example in examples:
        if example:
            found[Attack("", example, MISMATCH)] = None
    for piece in PIECES:
        found[Attack("", piece, MISMATCH)] = None
    return list(islice(found, MAX_ATTACKS))


class Walker:
    """Examples of what the parts of a parsed pattern match."""

    def __init__(self, state: Any) -> None:
        self.state = state
        self.groups: dict[int, str] = {}
        self.literals: list[str] = []

    def examples(self, nodes: Iterable[Any]) -> list[str]:
        """A few texts for a sequence: the shortest, and one for each choice of a part."""
        found = [""]
        for node in nodes:
            parts = self.of_node(node)
            first = [text + parts[0] for text in found]
            others = [found[0] + part for part in parts[1:]]
            found = list(dict.fromkeys([*first, *others]))[: MAX_EXAMPLES + MAX_LITERALS]
        return found

    def of_node(self, node: Any) -> list[str]:
        """A few texts that one part matches; an empty one for a part that matches no text."""
        kind, value = str(node[0]), node[1]
        if kind == "LITERAL":
            if len(self.literals) < MAX_LITERALS and chr(value) not in self.literals:
                self.literals.append(chr(value))
            return [chr(value)]
        if kind in {"IN", "ANY", "NOT_LITERAL", "CATEGORY"}:
            return self.characters(node)
        if kind == "BRANCH":
            found = [self.examples(branch) for branch in value[1]]
            others = [text for texts in found for text in texts[:0:-1]]
            return list(dict.fromkeys([*(texts[0] for texts in found), *others[:MAX_EXAMPLES]]))
        if kind in REPEATS:
            least, _, body = value
            inner = self.examples(body)
            return [inner[0] * least, *(text * max(1, least) for text in inner)]
        if kind == "SUBPATTERN":
            inner = self.examples(value[3])
            self.groups[value[0]] = inner[0]
            return inner
        if kind == "ATOMIC_GROUP":
            return self.examples(value)
        if kind == "GROUPREF":
            return [self.groups.get(value, "")]
        if kind == "GROUPREF_EXISTS":
            return self.examples(value[1])
        return [""]

    def characters(self, node: Any) -> list[str]:
        """Characters of different kinds that a class accepts, and literals of the pattern."""
        wrapped = PARSER.SubPattern(self.state, [node])
        accepts = COMPILER.compile(wrapped, 0).fullmatch
        found = [char for char in CANDIDATES if accepts(char)]
        if not found:
            found = [chr(code) for code in range(0x3000) if accepts(chr(code))][:1] or ["a"]
        literals = (char for char in self.literals if accepts(char))
        return list(dict.fromkeys([*found[:MAX_EXAMPLES], *literals]))

    def repeats(self, nodes: Iterable[Any], head: str) -> Iterator[tuple[str, str]]:
        """Every unit that the pattern repeats, with a text that leads to it."""
        for node in nodes:
            kind, value = str(node[0]), node[1]
            if kind in REPEATS:
                _, most, body = value
                if most >= MIN_REPEATS:
                    yield from ((head, unit) for unit in self.examples(body) if unit)
                yield from self.repeats(body, head)
            elif kind == "BRANCH":
                for branch in value[1]:
                    yield from self.repeats(branch, head)
            elif kind == "SUBPATTERN":
                yield from self.repeats(value[3], head)
            elif kind == "ATOMIC_GROUP":
                yield from self.repeats(value, head)
            elif kind in {"ASSERT", "ASSERT_NOT"} and value[0] > 0:
                yield from self.repeats(value[1], head)
            if kind not in {"ASSERT", "ASSERT_NOT", "AT"}:
                head += self.of_node(node)[0]


REPEATS = {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}
